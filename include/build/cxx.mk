# SPDX-License-Identifier: GPL-2.0-only
#
# The C++ rule for kbuild, which has none of its own.  It imitates the kernel's
# .rs rule: all C++ sources of one module become one amalgamated object that is
# built with the kernel's own code generation flags, objtool and dependency
# tracking.  Included by the Kbuild file of chiscsi.ko and by the Kbuild file of
# every storage driver written in C++; it is installed with the public headers.
# It runs inside kbuild only and never looks at a kernel version number.
#
# Set before the include:
#   cxx-src      absolute folder of the sources, normally
#                $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
#                as the very first line of the Kbuild file
#   cxx-modules  names of the modules with C++ in them, without .o
#   NAME-cxx     C++ sources of module NAME, relative to cxx-src
#   cxx-flags-y  further flags for C++ only (optional)
#   ccflags-y    as in kbuild; -I and -D reach C and C++ alike
# Set by it:
#   NAME-y      += NAME-cxx.o, the amalgamated object
#   chiscsi-cflags  strict warnings for hand-written C files; add to ccflags-y
#   a rule that finds *.c under cxx-src when the build folder is another one
# WERROR=0 on the command line (or in config.mk) turns errors into warnings.

ifndef cxx-src
$(error cxx.mk: set cxx-src to the absolute folder of the sources first)
endif

cxx-mk-dir := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
cxx-check  := $(firstword $(wildcard $(cxx-mk-dir)/check-module \
				     $(cxx-mk-dir)/../../tests/build/check-module))

# The C++ compiler that belongs to the kernel's C compiler: gcc-12 -> g++-12.
cxx-cc     := $(lastword $(CC))
cxx-derive := $(dir $(cxx-cc))$(if $(findstring clang,$(notdir $(cxx-cc))),$(subst clang,clang++,$(notdir $(cxx-cc))),$(subst gcc,g++,$(notdir $(cxx-cc))))
CHISCSI_CXX ?= $(filter-out $(cxx-cc),$(CC)) $(patsubst ./%,%,$(cxx-derive))

# A sanitizer's red zones make frames larger; the limit is meant for real builds.
cxx-frame-max := $(if $(CONFIG_KASAN)$(CONFIG_KMSAN)$(CONFIG_KCSAN),4096,1024)
cxx-werror    := $(if $(filter 0,$(WERROR)),,-Werror)

# Warnings shared by both languages.  The kernel's own -W flags are dropped for
# C++ (many are C-only) and kept for C.
cxx-warn := -Wall -Wextra $(cxx-werror) -Wvla -Wframe-larger-than=$(cxx-frame-max) \
	    -Wno-missing-field-initializers

# Kernel headers are not clean under these three.
chiscsi-cflags := $(cxx-warn) -Wno-unused-parameter -Wno-sign-compare -Wno-type-limits \
		  -Wmissing-prototypes -Wmissing-declarations -Ulinux -Uunix

# The dialect: no exceptions, RTTI, unwind tables, guards or static destructors.
cxx-dialect := -std=gnu++20 -ffreestanding -fno-exceptions -fno-rtti \
	       -fno-threadsafe-statics -fno-use-cxa-atexit -faligned-new=8 \
	       -fno-unwind-tables -fno-asynchronous-unwind-tables \
	       $(if $(CONFIG_CC_IS_CLANG),,-fcheck-new -fno-gnu-unique) \
	       -DCHISCSI_KERNEL=1 -Ulinux -Uunix
cxx-own-warn := $(cxx-warn) -Wsuggest-override \
		-Wno-invalid-offsetof -Wno-sized-deallocation

# pahole 1.24 cannot turn the debug information of C++ into BTF and fails, and kbuild
# then deletes the .ko.  Where it would run, C++ goes without; whoever wants to keep
# it for a debugger runs kbuild with CONFIG_DEBUG_INFO_BTF_MODULES= (as our Makefile
# does), which drops the BTF step.
cxx-debug-info := $(if $(CONFIG_DEBUG_INFO_BTF_MODULES),$(if $(wildcard $(objtree)/vmlinux),-g0))

# From the kernel's flags everything that matters for code and ABI stays; what a
# C++ compiler does not take, and the kernel's include paths, go.
cxx-drop = -std=% -W% -I% -fplugin% -flto% -fno-lto -ffat-lto-objects -fgnu89-inline \
	   -D__KERNEL__ -Wno-% $(CC_FLAGS_LTO) $(GCC_PLUGINS_CFLAGS)
cxx-kernel-flags = $(filter-out $(cxx-drop),$(_c_flags) $(modkern_cflags)) \
		   $(filter -Wa$(comma)%,$(_c_flags) $(modkern_cflags))
cxx-includes = $(filter-out -I$(srctree)/% -I./% -Iarch/% -Iinclude/%,$(filter -I%,$(ccflags-y)))
cxx-all-flags = -Wp,-MMD,$(depfile) $(cxx-kernel-flags) $(cxx-includes) \
		-iquote $(cxx-src) $(basename_flags) $(modname_flags) \
		$(cxx-dialect) $(cxx-debug-info) $(cxx-own-warn) $(cxx-flags-y)

# One generated file includes every source, because two C++ objects that emit the
# same inline function do not link (discarded COMDAT sections that __mcount_loc
# and .return_sites still point into).
quiet_cmd_cxx_amalgam = GEN     $@
      cmd_cxx_amalgam = { \
	echo '/* SPDX-License-Identifier: GPL-2.0-only */'; \
	echo '/* Generated from $*: every C++ source of the module. */'; \
	$(foreach s,$($*-cxx),echo '$(pound)include "$(s)"';) } > $@

quiet_cmd_cxx_o_cc = C++ $(quiet_modtag) $@
      cmd_cxx_o_cc = $(CHISCSI_CXX) $(cxx-all-flags) -c -o $@ $< $(cmd_objtool) \
	$(if $(cxx-check),; sh $(cxx-check) --object $@)

cxx-objects := $(addsuffix -cxx.o,$(cxx-modules))
$(foreach m,$(cxx-modules),$(eval $(m)-y += $(m)-cxx.o))
targets     += $(cxx-objects:.o=.cc)
clean-files += $(cxx-objects:.o=.cc)

$(addprefix $(obj)/,$(cxx-objects:.o=.cc)): $(obj)/%-cxx.cc: FORCE
	$(call if_changed,cxx_amalgam)

$(addprefix $(obj)/,$(cxx-objects)): $(obj)/%.o: $(obj)/%.cc $(cxx-check) FORCE
	$(call if_changed_dep,cxx_o_cc)

# A build folder apart from the sources holds a Kbuild file that includes the real
# one; C files are then found under cxx-src.
ifneq ($(abspath $(obj)),$(abspath $(cxx-src)))
$(foreach d,$(sort $(foreach m,$(cxx-modules),$(dir $($(m)-y)))),$(shell mkdir -p $(obj)/$(d)))
$(obj)/%.o: $(cxx-src)/%.c FORCE
	$(call if_changed_rule,cc_o_c)
endif
