# bglssl: build, test, install. `make help` lists the targets.

PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
DESTDIR ?=
STRIP   ?= strip
BUILD   ?= $(CURDIR)/build
CARGO   ?= cargo
BIGLOO  ?= bigloo
PROFILE ?= release

export BUILD CARGO CARGO_FLAGS BIGLOO

SONAME  := $(shell cat abi/soname)
SYMBOLS := $(shell cat abi/symbol-version)
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)

# Where cargo puts what it builds. With BUILD outside of the source tree, which may be read-only, it is there, too.
ifeq ($(findstring |$(CURDIR)/,|$(BUILD)),)
CARGO_TARGET_DIR ?= $(BUILD)/target
export CARGO_TARGET_DIR
endif
TARGET_DIR := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
ifeq ($(PROFILE),release)
OUT         := $(TARGET_DIR)/release
CARGO_FLAGS := --release
else
OUT         := $(TARGET_DIR)/debug
CARGO_FLAGS :=
endif

# Without OpenSSL's development files the crate builds an OpenSSL of its own.
HAVE_OPENSSL := $(or $(OPENSSL_DIR),$(shell pkg-config --exists 'openssl >= 1.1.1' 2>/dev/null && echo yes))
ASKED        := $(VENDORED)
VENDORED     ?= $(if $(HAVE_OPENSSL),,yes)
ifeq ($(VENDORED),yes)
CARGO_FLAGS  += --features vendored
LIBS_PRIVATE := -lpthread -ldl -lm
REQUIRES_PRIVATE :=
else
LIBS_PRIVATE := -lpthread -ldl -lm
REQUIRES_PRIVATE := libssl libcrypto
endif

# What programs find by pkg-config must not depend on where they are.
absolute = $(if $(filter /%,$(1)),$(1),$(CURDIR)/$(1))
override PREFIX := $(call absolute,$(PREFIX))
override LIBDIR := $(call absolute,$(LIBDIR))

INCLUDEDIR ?= $(PREFIX)/include
MANDIR     ?= $(PREFIX)/share/man
DOCDIR     ?= $(PREFIX)/share/doc/bglssl
override INCLUDEDIR := $(call absolute,$(INCLUDEDIR))
# For debug information in a file of its own, where debuggers look by build id, such as /usr/lib/debug.
DEBUGDIR   ?=

.PHONY: all lib built header test check check-ci check-release check-c check-rest check-faults fuzz check-openssl check-debian13 check-debian12 check-32 \
        check-bigloo stage demo bench \
        install uninstall clean help bigloo install-bigloo uninstall-bigloo bigloo-check-env

all: lib ## build the library (default)

help: ## list the targets
	@sed -n 's/^\([a-z0-9-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 20
	@echo
	@echo "Variables: PREFIX ($(PREFIX)), LIBDIR ($(LIBDIR)), DESTDIR, BUILD ($(BUILD)), PROFILE ($(PROFILE)), BIGLOO ($(BIGLOO)),"
	@echo "INCLUDEDIR, MANDIR, DOCDIR, STRIP ($(STRIP); STRIP=: installs with debug information),"
	@echo "DEBUGDIR (such as /usr/lib/debug: installs debug information there, in a file of its own),"
	@echo "OPENSSLDIR, MODULESDIR, ENGINESDIR (of an OpenSSL that is built along; default: the system's),"
	@echo "VENDORED (yes: with an OpenSSL of its own; default: if the system has no development files of one)"

# --- the library -----------------------------------------------------------------------------------------------

# An OpenSSL that is built along reads the system's openssl.cnf, and loads providers and engines from where the system's
# OpenSSL does, never from the build tree.
OPENSSLDIR ?= $(or $(wildcard /usr/lib/ssl),$(wildcard /etc/pki/tls),/etc/ssl)
MODULESDIR ?= $(or $(shell openssl version -m 2>/dev/null | sed -n 's/^MODULESDIR: "\(.*\)"/\1/p'),$(OPENSSLDIR)/ossl-modules)
ENGINESDIR ?= $(or $(shell openssl version -e 2>/dev/null | sed -n 's/^ENGINESDIR: "\(.*\)"/\1/p'),$(OPENSSLDIR)/engines-3)
ifeq ($(VENDORED),yes)
VENDORED_ENV := OPENSSL_CONFIG_DIR='$(OPENSSLDIR)' \
    CFLAGS='$(strip $(CFLAGS) -DMODULESDIR=\"$(MODULESDIR)\" -DENGINESDIR=\"$(ENGINESDIR)\")'
endif
# Debug information does not say where the library was built.
ifeq ($(PROFILE),release)
REMAP := --remap-path-prefix="$(CURDIR)=/usr/src/bglssl-$(VERSION)"
endif

NO_SYSTEM_OPENSSL := $(shell command -v pkg-config >/dev/null && echo "the system has no OpenSSL development files" || \
	echo "pkg-config, which would find the system's, is not installed")

lib: ## build libbglssl.so and libbglssl.a
	@VENDORED=$(ASKED) scripts/needs.sh build
ifeq ($(VENDORED),yes)
	@echo "note: building OpenSSL from source$(if $(HAVE_OPENSSL),, ($(NO_SYSTEM_OPENSSL)))"
endif
	@mkdir -p "$(OUT)" "$(BUILD)/lib"
	$(VENDORED_ENV) $(CARGO) rustc --lib --crate-type staticlib $(CARGO_FLAGS) -- \
	    --print native-static-libs="$(OUT)/native-libs" $(REMAP)
	@cp "$(OUT)/libbglssl.a" "$(BUILD)/lib/libbglssl.a.tmp" && mv "$(BUILD)/lib/libbglssl.a.tmp" "$(BUILD)/lib/libbglssl.a"
	@CC="$(CC)" LDFLAGS="$(LDFLAGS)" scripts/link-shared.sh "$(BUILD)/lib/libbglssl.a" "$(BUILD)/lib/$(SONAME)" \
	    $(SYMBOLS) "$$(cat "$(OUT)/native-libs")"
	@ln -sf $(SONAME) "$(BUILD)/lib/libbglssl.so"

header: ## update the headers in include from src/ffi
	scripts/headers.sh write

# --- tests -----------------------------------------------------------------------------------------------------

T ?=
ASAN ?=
test: ## build and run the quick tests; T=NAME: one C test program, or the cases whose names contain NAME; ASAN=yes
	@$(MAKE) --no-print-directory lib PROFILE=debug BUILD=$(BUILD)/debug
	$(if $(T),,$(CARGO) test --quiet --lib)
	@$(MAKE) --no-print-directory -C c-tests test T='$(T)' $(if $(ASAN),TEST_KIND=asan) BUILD=$(BUILD)/debug/c-tests \
	    BGLSSL_LIBDIR=$(BUILD)/debug/lib

check: ## build and run all tests
	@scripts/needs.sh check
	@$(MAKE) --no-print-directory lib
	@scripts/check.sh $(SUITES)

check-ci: SUITES = scripts/suites/* scripts/ci-suites/*
check-ci: check ## all that CI runs: the tests, check-rest, an OpenSSL of its own, fuzzers, Debian packages, minimal Debians (as root)

check-release: SUITES = scripts/ci-suites/* scripts/release-suites/*
check-release: check ## before a release, besides make check: what CI adds, reproducible builds, clang (an hour; as root)

check-c: lib ## build and run the C tests once, plain
	@$(MAKE) --no-print-directory -C c-tests check BUILD=$(BUILD)/c-tests BGLSSL_LIBDIR=$(BUILD)/lib

check-rest: lib ## run the C tests that make check leaves out under AddressSanitizer, valgrind and ThreadSanitizer, and more faults (make check-ci has them)
	@$(MAKE) --no-print-directory -C c-tests check-rest BUILD=$(BUILD)/c-tests BGLSSL_LIBDIR=$(BUILD)/lib

check-faults: lib ## fail the fault scenarios' allocations, from each call stack, and system calls, one at a time (an hour; make check has a sample)
	@$(MAKE) --no-print-directory -C c-tests check-faults BUILD=$(BUILD)/c-tests BGLSSL_LIBDIR=$(BUILD)/lib

SECONDS ?= 60
fuzz: ## run each fuzzer for SECONDS (60) under AddressSanitizer
	@$(MAKE) --no-print-directory -C c-tests pki BUILD=$(BUILD)/c-tests
	@fuzz/run.sh $(SECONDS)

check-openssl: ## run the C tests against OpenSSL 1.1.1 and 4.0, built from source (ARGS: 111 300 400)
	@scripts/check-openssl.sh $(ARGS)

check-debian13: ## build and run demo and C tests on a minimal Debian 13, in a chroot (root, debootstrap)
	@scripts/check-debian.sh trixie amd64

check-debian12: ## likewise on a minimal Debian 12
	@scripts/check-debian.sh bookworm amd64

check-32: ## likewise on a minimal Debian 13 for i386
	@scripts/check-debian.sh trixie i386

# The examples and the benchmark are built as users build: against an installed tree, by pkg-config.
STAGE := $(BUILD)/stage
stage: lib
	@$(MAKE) -s install PREFIX="$(STAGE)" LIBDIR="$(STAGE)/lib" DESTDIR= STRIP=:

demo: ## build and run a real TLS exchange
	@scripts/needs.sh demo
	@$(MAKE) --no-print-directory stage
	@mkdir -p $(BUILD)/examples
	@PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig $(MAKE) -C examples OUT=$(BUILD)/examples
	@examples/demo.sh $(BUILD)/examples

bench: stage ## measure beside raw OpenSSL (ARGS: see bench/README.md)
	@mkdir -p $(BUILD)/bench
	@PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig $(MAKE) -C bench OUT=$(BUILD)/bench ARGS="$(ARGS)"

.PHONY: bench-bigloo
bench-bigloo: lib ## measure the Scheme library beside Bigloo's own, by processor time (ARGS: see bench/README.md)
	@$(MAKE) --no-print-directory -C bigloo bench-bigloo BIGLOO=$(BIGLOO) ARGS="$(ARGS)"

# --- installation ----------------------------------------------------------------------------------------------

# Builds only what is missing, so that `sudo make install` needs no cargo after `make`.
built:
	@test -e "$(BUILD)/lib/$(SONAME)" || $(MAKE) --no-print-directory lib

FILL_IN = sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$(LIBDIR)|' -e 's|@INCLUDEDIR@|$(INCLUDEDIR)|' \
	    -e 's|@VERSION@|$(VERSION)|' -e 's|@SONAME@|$(SONAME)|' -e 's|@VENDORED@|$(VENDORED)|' \
	    -e 's|@LIBS_PRIVATE@|$(LIBS_PRIVATE)|' -e 's|@REQUIRES_PRIVATE@|$(REQUIRES_PRIVATE)|'

# Installed documents have no links to what is not beside them: the manual pages, and CONTRIBUTING.md.
UNLINK := -e 's|\[\([^]]*\)\](\(\.\./\)*man/[a-z_.0-9]*)|\1|g' -e 's|\[\([^]]*\)\](\(\.\./\)*CONTRIBUTING\.md)|\1|g'

install: built ## install library, headers, pkg-config file, manual pages, documents, examples and licences below PREFIX
	install -d "$(DESTDIR)$(INCLUDEDIR)/bglssl" "$(DESTDIR)$(LIBDIR)/pkgconfig" "$(DESTDIR)$(LIBDIR)/cmake/bglssl" \
	    "$(DESTDIR)$(MANDIR)/man3" "$(DESTDIR)$(DOCDIR)/docs" "$(DESTDIR)$(DOCDIR)/examples/projects" \
	    "$(DESTDIR)$(DOCDIR)/bigloo/examples"
	install -m 644 include/bglssl.h "$(DESTDIR)$(INCLUDEDIR)/bglssl.h"
	install -m 644 include/bglssl/*.h "$(DESTDIR)$(INCLUDEDIR)/bglssl"
	install -m 755 "$(BUILD)/lib/$(SONAME)" "$(DESTDIR)$(LIBDIR)/$(SONAME).tmp"
ifneq ($(DEBUGDIR),)
	scripts/split-debug.sh "$(DESTDIR)$(LIBDIR)/$(SONAME).tmp" "$(DESTDIR)$(DEBUGDIR)"
endif
	$(STRIP) --strip-unneeded "$(DESTDIR)$(LIBDIR)/$(SONAME).tmp"
	mv "$(DESTDIR)$(LIBDIR)/$(SONAME).tmp" "$(DESTDIR)$(LIBDIR)/$(SONAME)"
	ln -sf $(SONAME) "$(DESTDIR)$(LIBDIR)/libbglssl.so"
	install -m 644 "$(BUILD)/lib/libbglssl.a" "$(DESTDIR)$(LIBDIR)/libbglssl.a"
	$(STRIP) --strip-debug "$(DESTDIR)$(LIBDIR)/libbglssl.a"
	$(FILL_IN) -e 's|=$(PREFIX)/include|=$${prefix}/include|' bglssl.pc.in > "$(DESTDIR)$(LIBDIR)/pkgconfig/bglssl.pc"
	for file in bglssl-config.cmake bglssl-config-version.cmake; do \
	    $(FILL_IN) cmake/$$file.in > "$(DESTDIR)$(LIBDIR)/cmake/bglssl/$$file" || exit 1; \
	done
	install -m 644 CHANGELOG.md SECURITY.md LICENSE LICENSES/* "$(DESTDIR)$(DOCDIR)"
	for file in README.md docs/*.md; do \
	    sed $(UNLINK) "$$file" > "$(DESTDIR)$(DOCDIR)/$$file" && chmod 644 "$(DESTDIR)$(DOCDIR)/$$file" || exit 1; \
	done
	install -m 644 examples/*.[ch] examples/Makefile examples/README.md "$(DESTDIR)$(DOCDIR)/examples"
	install -m 644 examples/projects/CMakeLists.txt examples/projects/meson.build examples/projects/version.c \
	    "$(DESTDIR)$(DOCDIR)/examples/projects"
	install -m 644 bigloo/examples/*.scm bigloo/examples/README.md "$(DESTDIR)$(DOCDIR)/bigloo/examples"
	scripts/manual-pages.sh install "$(DESTDIR)$(MANDIR)/man3"
	@if [ -z "$(DESTDIR)" ] && [ "$$(id -u)" = 0 ] && command -v ldconfig >/dev/null; then ldconfig; \
	elif [ -z "$(DESTDIR)" ]; then echo "note: programs find the library once ldconfig has run as root, if $(LIBDIR) is" \
	    "in its configuration; else by LD_LIBRARY_PATH or an rpath"; fi

uninstall: ## remove what install put there
ifneq ($(DEBUGDIR),)
	scripts/split-debug.sh --remove "$(DESTDIR)$(LIBDIR)/$(SONAME)" "$(DESTDIR)$(DEBUGDIR)"
endif
	rm -f "$(DESTDIR)$(INCLUDEDIR)/bglssl.h" "$(DESTDIR)$(LIBDIR)/$(SONAME)" "$(DESTDIR)$(LIBDIR)/libbglssl.so" \
	    "$(DESTDIR)$(LIBDIR)/libbglssl.a" "$(DESTDIR)$(LIBDIR)/pkgconfig/bglssl.pc"
	rm -rf "$(DESTDIR)$(DOCDIR)" "$(DESTDIR)$(INCLUDEDIR)/bglssl" "$(DESTDIR)$(LIBDIR)/cmake/bglssl"
	scripts/manual-pages.sh uninstall "$(DESTDIR)$(MANDIR)/man3"

clean: ## remove everything that was built
	$(CARGO) clean
	rm -rf $(BUILD)

# --- Bigloo ----------------------------------------------------------------------------------------------------

bigloo: lib ## build the Scheme library, for the bigloo of BIGLOO
install-bigloo: lib ## install the Scheme library into that bigloo's directories
uninstall-bigloo: ## remove what install-bigloo put there
check-bigloo: lib ## run the tests of the Scheme library

bigloo install-bigloo uninstall-bigloo bigloo-check-env check-bigloo:
	$(MAKE) -C bigloo $@ BIGLOO=$(BIGLOO)
