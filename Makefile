# SPDX-License-Identifier: GPL-2.0-only
#
# The project's front door; `make help` lists what it can do.  Modules are built
# by the kernel's build system (Kbuild), programs and host tests by CMake, test
# machines by the scripts under tests/.  Whatever is kept between runs besides the
# build folder goes to ${CHISCSI_CACHE:-/var/cache/chiscsi}.
#
# Modules for another kernel, side by side with the default ones:
#   make modules KDIR=/path/to/tree O=build/name [CONFIGURE_FLAGS=--enable-debug]

SHELL       := /bin/sh
.SUFFIXES:
.DEFAULT_GOAL := all
# Our O=, M= and so on must not reach the kernel's Makefile by themselves.
MAKEOVERRIDES :=
unexport O M KDIR
export CHISCSI_CACHE ?= /var/cache/chiscsi

top    := $(CURDIR)
out    := $(if $(O),$(abspath $(O)),$(top))
jobs    = $(if $(filter -j% --jobserver%,$(MAKEFLAGS)),,-j$(shell nproc 2>/dev/null || echo 2))
parts  := tests/build/parts
make   := $(MAKE)

# ---- configuration ---------------------------------------------------------
# config.mk is made when needed, again when what it was made from has changed, and
# when another kernel is asked for.
needs-config := all modules api-ddk test-modules tools install uninstall modules_install headers_install tools_install deb
ifneq ($(filter $(needs-config),$(or $(MAKECMDGOALS),all)),)
-include $(out)/config.mk

# What is named now replaces what was recorded.
configure-args := $(filter-out $(if $(KDIR),--kernel=%) $(if $(ARCH),--arch=%),$(or $(CONFIGURE_FLAGS),$(CHISCSI_CONFIGURE_ARGS))) \
		  $(if $(KDIR),--kernel=$(abspath $(KDIR))) $(if $(ARCH),--arch=$(ARCH)) \
		  $(if $(O),--output=$(out))
# Once only: a flag that is the default, or is recorded in other words, would be new for ever.
stale := $(if $(CHISCSI_KDIR),$(if $(wildcard $(CHISCSI_KDIR)/Makefile),,gone))
stale += $(if $(CHISCSI_CXGB4_HEADERS),$(if $(wildcard $(CHISCSI_CXGB4_HEADERS)/cxgb4/cxgb4.h),,gone))
stale += $(if $(KDIR),$(if $(filter $(abspath $(KDIR)),$(CHISCSI_KDIR)),,kernel))
stale += $(if $(CONFIGURE_FLAGS),$(if $(filter-out $(CHISCSI_CONFIGURE_ARGS),$(CONFIGURE_FLAGS)),flags))

$(out)/config.mk: configure offload/linux/headers.sh $(wildcard tests/build/probes/*.c include/build/probe.mk) \
		  $(wildcard $(CHISCSI_KDIR)/include/generated/autoconf.h) \
		  $(if $(strip $(stale)),$(if $(MAKE_RESTARTS),,FORCE))
	@./configure $(configure-args)
endif

# ---- modules ---------------------------------------------------------------
# No BTF: pahole refuses the types of C++ (include/build/cxx.mk), and nothing here uses it.
pass    = $(foreach v,V W C CC LLVM CROSS_COMPILE,$(if $(filter command%,$(origin $(v))),$(v)='$($(v))'))
kbuild  = $(MAKE) $(jobs) -C $(CHISCSI_KDIR) $(if $(CHISCSI_KARCH),ARCH=$(CHISCSI_KARCH)) $(pass) \
	  $(if $(filter 0,$(WERROR)),WERROR=0) --no-print-directory \
	  CONFIG_DEBUG_INFO_BTF_MODULES=
frames  = $(if $(shell grep -s '^CONFIG_K[AMC]SAN=y' $(CHISCSI_KDIR)/include/config/auto.conf),8192,1024)
ddk     := $(wildcard api-ddk/Kbuild)

.PHONY: all
all: modules $(if $(ddk),api-ddk) tools

.PHONY: modules
modules: $(out)/config.mk
ifneq ($(out),$(top))
	@mkdir -p $(out)
	@echo 'include $(top)/Kbuild' > $(out)/Kbuild
endif
	+@$(kbuild) M=$(out) modules
	@sh tests/build/check-module --max-frame $(frames) $$(ls $(out)/*.ko)

# The sample storage driver sees what a customer sees: the public headers, the
# exported symbols and the C++ rule.
.PHONY: api-ddk
api-ddk: modules
ifneq ($(out),$(top))
	@mkdir -p $(out)/api-ddk
	@echo 'include $(top)/api-ddk/Kbuild' > $(out)/api-ddk/Kbuild
endif
	+@$(kbuild) M=$(out)/api-ddk KBUILD_EXTRA_SYMBOLS=$(out)/Module.symvers modules
ifneq ($(wildcard api-ddk/minimal/Kbuild),)
ifneq ($(out),$(top))
	@mkdir -p $(out)/api-ddk/minimal
	@echo 'include $(top)/api-ddk/minimal/Kbuild' > $(out)/api-ddk/minimal/Kbuild
	@ln -sf $(top)/api-ddk/minimal/*.c $(out)/api-ddk/minimal/
endif
	+@$(kbuild) M=$(out)/api-ddk/minimal KBUILD_EXTRA_SYMBOLS=$(out)/Module.symvers modules
endif
	@sh tests/build/check-module --max-frame $(frames) $$(find $(out)/api-ddk -name '*.ko')

# What exists for a test in the machine alone and is never installed: storage drivers, and the
# software adapter chiscsi_cxgb4_sim.ko.
.PHONY: test-modules
test-modules: modules $(top)/tests/vm/modules/control_client
	+@$(MAKE) -C tests/bench/load --no-print-directory
ifneq ($(out),$(top))
	@mkdir -p $(out)/tests/vm/modules
	@echo 'include $(top)/tests/vm/modules/Kbuild' > $(out)/tests/vm/modules/Kbuild
	@ln -sf $(top)/tests/vm/modules/*.c $(out)/tests/vm/modules/
endif
	+@$(kbuild) M=$(out) CHISCSI_TEST_MODULES=m modules
	@sh tests/build/check-module --max-frame $(frames) $$(ls $(out)/*.ko)
	+@$(kbuild) M=$(out)/tests/vm/modules KBUILD_EXTRA_SYMBOLS=$(out)/Module.symvers modules

# A program of the test machine, which has no libraries to speak of.
$(top)/tests/vm/modules/control_client: $(top)/tests/vm/modules/control_client.c \
		$(top)/include/common/chiscsi_control.h
	@echo "  CC      $@"
	@$(CC) -O2 -Wall -Wextra -static -pthread -o $@ $<

# ---- programs --------------------------------------------------------------
.PHONY: tools
tools:
ifneq ($(wildcard tools/Makefile),)
	+@$(MAKE) $(jobs) -C tools --no-print-directory
endif

# ---- installation ----------------------------------------------------------
# PREFIX, SYSCONFDIR and DESTDIR default to what configure was told.
PREFIX     ?= $(or $(CHISCSI_PREFIX),/usr)
SYSCONFDIR ?= $(or $(CHISCSI_SYSCONFDIR),/etc)
DESTDIR    ?= $(CHISCSI_DESTDIR)
MODDIR     ?= /lib/modules/$(CHISCSI_KREL)/updates/chiscsi
INCDIR     ?= $(PREFIX)/include/chiscsi

.PHONY: install
install: modules_install headers_install tools_install

.PHONY: modules_install
modules_install: modules $(if $(SAMPLES),api-ddk)
	@set -e; for m in $(out)/*.ko $(if $(SAMPLES),$$(find $(out)/api-ddk -name '*.ko')); do \
		case $$m in *_sim.ko) continue ;; esac; \
		echo "  INSTALL $(DESTDIR)$(MODDIR)/$${m##*/}"; \
		install -D -m 644 $$m $(DESTDIR)$(MODDIR)/$${m##*/}; \
		$(if $(KEEP_DEBUG),:,strip --strip-debug) $(DESTDIR)$(MODDIR)/$${m##*/}; done
	@if [ -n "$(DESTDIR)" ]; then echo "  SKIP    depmod (DESTDIR is set)"; \
	else echo "  DEPMOD  $(CHISCSI_KREL)"; depmod $(CHISCSI_KREL); fi

# What a storage driver needs: public headers, the exports' versions, the C++ rule.
.PHONY: headers_install
headers_install: modules
	@set -e; d=$(DESTDIR)$(INCDIR); echo "  INSTALL $$d"; \
	install -d $$d/common $$d/uapi $$d/build; \
	for f in $(wildcard include/common/*.h include/common/*.hh); do install -m 644 $$f $$d/common/; done; \
	for f in $(wildcard include/uapi/*.h); do install -m 644 $$f $$d/uapi/; done; \
	install -m 644 include/build/* $$d/build/; \
	install -m 755 tests/build/check-module $$d/build/check-module; \
	install -m 644 $(out)/Module.symvers $$d/Module.symvers

.PHONY: tools_install
tools_install: tools
ifneq ($(wildcard tools/Makefile),)
	+@$(MAKE) -C tools --no-print-directory install DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) SYSCONFDIR=$(SYSCONFDIR)
endif

.PHONY: uninstall
uninstall: $(out)/config.mk
	rm -rf $(DESTDIR)$(MODDIR) $(DESTDIR)$(INCDIR)
	@[ -n "$(DESTDIR)" ] || depmod $(CHISCSI_KREL)
ifneq ($(wildcard tools/Makefile),)
	+@$(MAKE) -C tools --no-print-directory uninstall DESTDIR=$(DESTDIR) PREFIX=$(PREFIX) SYSCONFDIR=$(SYSCONFDIR)
endif

# ---- packages --------------------------------------------------------------
# Packages for Debian, of an installation at the usual places (docs/packaging.md).
deb := $(out)/build/deb

.PHONY: deb
deb: $(out)/config.mk
	@rm -rf $(deb)/tree
	+@UNITDIR=/lib/systemd/system $(MAKE) --no-print-directory install DESTDIR=$(deb)/tree/installed PREFIX=/usr \
		SYSCONFDIR=/etc $(if $(O),O=$(out)) > /dev/null
	@tools/packaging/build $(deb) $(CHISCSI_KREL)

# ---- tests -----------------------------------------------------------------
.PHONY: deps
deps:
	@sh tests/deps

.PHONY: demo
demo: deps
	+@$(MAKE) --no-print-directory all
	@tests/vm/run tests/vm/cases/demo.sh

.PHONY: check
check:
	@sh tests/build/check $(make)

.PHONY: lint selftest abi packages unit unit-asan unit-tsan libiscsi fuzz-smoke kunit uml vm
lint selftest abi packages unit unit-asan unit-tsan libiscsi fuzz-smoke kunit uml vm:
	@sh $(parts) $@

.PHONY: bench-instructions
bench-instructions:
	@sh tests/deps build test bench
	@tests/bench/instructions

.PHONY: bench bench-goals
bench bench-goals:
	@sh tests/deps build test bench
	+@$(MAKE) --no-print-directory all
	@$(if $(filter bench-goals,$@),tests/bench/goals,tests/bench/run)

.PHONY: format
format:
	@tests/build/lint --list-cxx | xargs -r clang-format -i

# ---- housekeeping ----------------------------------------------------------
.PHONY: clean
clean:
	@find . \( -path ./.git -o -path ./build \) -prune -o -type f \( -name '*.o' -o -name '*.ko' -o -name '*.mod' \
		-o -name '*.mod.c' -o -name '.*.cmd' -o -name '*-cxx.cc' -o -name 'Module.symvers' \
		-o -name 'modules.order' -o -name '*.su' -o -name '.*.d' \) -exec rm -f {} +
ifneq ($(wildcard tools/Makefile),)
	+@$(MAKE) -C tools --no-print-directory clean
endif
	+@$(MAKE) -C tests/bench/load --no-print-directory clean

.PHONY: distclean
distclean: clean
	@rm -rf build offload/objects .probes api-ddk/.probes config.mk config.h api-ddk/config.mk api-ddk/config.h

.PHONY: help
help:
	@sed -n 's/^#: \?//p' $(firstword $(MAKEFILE_LIST))

.PHONY: FORCE
FORCE:

#: Build
#:   make                configure if needed, then the modules, the sample driver, the tools
#:   make modules        chiscsi.ko and the offload's chiscsi_cxgb4.ko only (docs/offload.md);
#:                       KDIR=TREE and O=DIR build for another kernel
#:   make tools          iscsictl only; `make -C tools` does it without any kernel headers
#:   make install        modules, depmod, public headers, iscsictl with its manual pages, service and
#:                       sample configuration; DESTDIR= and PREFIX= honoured
#:   make deb            packages for Debian, in build/deb (docs/packaging.md)
#:   make uninstall      takes all of that away again, but for /etc/chiscsi/chiscsi.conf
#:   make clean          objects and modules; distclean also the configuration and build/
#:   make format         clang-format over all C++ files
#: Variables: KDIR= O= V=1 WERROR=0 CONFIGURE_FLAGS=; for install DESTDIR= PREFIX= MODDIR= INCDIR=,
#:   SAMPLES=1 (the sample drivers too), KEEP_DEBUG=1 (do not strip the modules)
#:
#: Try and test
#:   make deps           install the Debian packages that building and testing need
#:   make demo           deps, build, then a guided tour in a virtual machine
#:   make check          every test; closes with `N passed, N failed, N skipped`
#:   make lint           named source checks, each prints its rule and the fix
#:   make selftest       the build's own checks refuse what they should; abi: the public headers;
#:                       packages: what `make deb` makes
#:   make unit           host tests under sanitizers; unit-asan and unit-tsan are its halves
#:   make libiscsi       libiscsi's conformance suite against the host build
#:   make fuzz-smoke     each fuzzer for a short time
#:   make kunit          KUnit and module tests in a User-Mode Linux debug kernel; uml: all of those
#:   make vm             the real thing: Debian's kernel in a virtual machine
#:   make test-modules   storage drivers, a software adapter and a load generator for single cases
#:                       of it; a case without its own is skipped
#:   make bench          speed next to other targets; bench-goals: next to the goals as well;
#:                       bench-instructions: what a command costs the engine
