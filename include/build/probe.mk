# SPDX-License-Identifier: GPL-2.0-only
#
# Asks a kernel tree what it offers: compiles (front end only) every *.c file of
# the folder probe-dir with the kernel's own flags, in one kbuild run, and writes
# one NAME.result file with 1 or 0 for each.  Run by configure through
# include/build/configure-lib.sh in a scratch folder; builds no module and never
# fails because a probe does.  The compilers kbuild will use go to compilers.txt.

cxx-src := $(probe-dir)
cxx-modules :=
include $(dir $(lastword $(MAKEFILE_LIST)))cxx.mk

probe-names := $(patsubst $(probe-dir)/%.c,%,$(wildcard $(probe-dir)/*.c))
always-y    := compilers.txt $(addsuffix .result,$(probe-names))

probe-flags := -fsyntax-only -DMODULE -Werror=implicit-function-declaration \
	       -Werror=incompatible-pointer-types -Werror=int-conversion

quiet_cmd_probe = PROBE   $*
      cmd_probe = if $(CC) $(filter-out -W%,$(c_flags)) $(probe-flags) $< 2> $(obj)/$*.log; \
	then echo 1 > $@; else echo 0 > $@; fi

$(addprefix $(obj)/,$(addsuffix .result,$(probe-names))): $(obj)/%.result: $(probe-dir)/%.c
	$(call cmd,probe)

$(obj)/compilers.txt:
	@{ echo '$(CC)'; echo '$(CHISCSI_CXX)'; } > $@
