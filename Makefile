# bglssl: build, test, install. `make help` lists the targets.

PREFIX  ?= /usr/local
DESTDIR ?=
BUILD   ?= $(CURDIR)/build
CARGO   ?= cargo
BIGLOO  ?= bigloo
PROFILE ?= release

export BUILD CARGO CARGO_FLAGS BIGLOO

SONAME  := $(shell cat abi/soname)
VERSION := $(shell sed -n 's/^version = "\(.*\)"/\1/p' Cargo.toml)

# Where cargo puts what it builds.
TARGET_DIR := $(or $(CARGO_TARGET_DIR),$(CURDIR)/target)
ifeq ($(PROFILE),release)
OUT         := $(TARGET_DIR)/release
CARGO_FLAGS := --release
else
OUT         := $(TARGET_DIR)/debug
CARGO_FLAGS :=
endif

# Without OpenSSL's development files the crate builds an OpenSSL of its own.
HAVE_OPENSSL := $(shell pkg-config --exists 'openssl >= 1.1.1' 2>/dev/null && echo yes)
VENDORED     ?= $(if $(HAVE_OPENSSL),,yes)
ifeq ($(VENDORED),yes)
CARGO_FLAGS  += --features vendored
LIBS_PRIVATE := -lpthread -ldl -lm
REQUIRES_PRIVATE :=
else
LIBS_PRIVATE := -lpthread -ldl -lm
REQUIRES_PRIVATE := libssl libcrypto
endif

INCLUDEDIR := $(PREFIX)/include
LIBDIR     := $(PREFIX)/lib
MANDIR     := $(PREFIX)/share/man

.PHONY: all lib header check check-c check-openssl check-bigloo stage demo bench \
        install uninstall clean help bigloo install-bigloo uninstall-bigloo bigloo-check-env

all: lib ## build the library (default)

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | expand -t 20
	@echo
	@echo "Variables: PREFIX ($(PREFIX)), DESTDIR, BUILD ($(BUILD)), PROFILE ($(PROFILE)), BIGLOO ($(BIGLOO)),"
	@echo "VENDORED (yes: with an OpenSSL of its own; default: if the system has no development files of one)"

# --- the library -----------------------------------------------------------------------------------------------

lib: ## build libbglssl.so and libbglssl.a
ifeq ($(VENDORED),yes)
	@echo "note: building OpenSSL from source$(if $(HAVE_OPENSSL),, (the system has no OpenSSL development files))"
endif
	$(CARGO) build $(CARGO_FLAGS)
	@mkdir -p $(BUILD)/lib
	@cp $(OUT)/libbglssl.so $(BUILD)/lib/$(SONAME).tmp && mv $(BUILD)/lib/$(SONAME).tmp $(BUILD)/lib/$(SONAME)
	@cp $(OUT)/libbglssl.a $(BUILD)/lib/libbglssl.a.tmp && mv $(BUILD)/lib/libbglssl.a.tmp $(BUILD)/lib/libbglssl.a
	@ln -sf $(SONAME) $(BUILD)/lib/libbglssl.so

header: lib ## update include/bglssl.h from src/ffi
	@mkdir -p include
	scripts/fresh-header.sh $(CARGO_FLAGS) > include/bglssl.h.tmp
	mv include/bglssl.h.tmp include/bglssl.h

# --- tests -----------------------------------------------------------------------------------------------------

check: lib ## build and run all tests
	@scripts/check.sh

check-c: lib ## build and run the C tests once, plain
	@$(MAKE) --no-print-directory -C c-tests check BUILD=$(BUILD)/c-tests BGLSSL_LIBDIR=$(BUILD)/lib

check-openssl: ## run the C tests against OpenSSL 1.1.1 and 4.0, built from source (ARGS: 111 300 400)
	@scripts/check-openssl.sh $(ARGS)

# The examples and the benchmark are built as users build: against an installed tree, by pkg-config.
STAGE := $(BUILD)/stage
stage: lib
	@$(MAKE) -s install PREFIX=$(STAGE) DESTDIR=

demo: stage ## build and run a real TLS exchange
	@mkdir -p $(BUILD)/examples
	@PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig $(MAKE) -C examples OUT=$(BUILD)/examples
	@examples/demo.sh $(BUILD)/examples

bench: stage ## measure beside raw OpenSSL (ARGS: see bench/README.md)
	@mkdir -p $(BUILD)/bench
	@PKG_CONFIG_PATH=$(STAGE)/lib/pkgconfig $(MAKE) -C bench OUT=$(BUILD)/bench ARGS="$(ARGS)"

# --- installation ----------------------------------------------------------------------------------------------

install: lib ## install library, header, pkg-config file and man pages below PREFIX
	install -d $(DESTDIR)$(INCLUDEDIR) $(DESTDIR)$(LIBDIR)/pkgconfig $(DESTDIR)$(MANDIR)/man3
	install -m 644 include/bglssl.h $(DESTDIR)$(INCLUDEDIR)/bglssl.h
	install -m 755 $(BUILD)/lib/$(SONAME) $(DESTDIR)$(LIBDIR)/$(SONAME).tmp
	mv $(DESTDIR)$(LIBDIR)/$(SONAME).tmp $(DESTDIR)$(LIBDIR)/$(SONAME)
	ln -sf $(SONAME) $(DESTDIR)$(LIBDIR)/libbglssl.so
	install -m 644 $(BUILD)/lib/libbglssl.a $(DESTDIR)$(LIBDIR)/libbglssl.a
	sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@VERSION@|$(VERSION)|' -e 's|@LIBS_PRIVATE@|$(LIBS_PRIVATE)|' \
	    -e 's|@REQUIRES_PRIVATE@|$(REQUIRES_PRIVATE)|' bglssl.pc.in > $(BUILD)/bglssl.pc
	install -m 644 $(BUILD)/bglssl.pc $(DESTDIR)$(LIBDIR)/pkgconfig/bglssl.pc
	for page in $(wildcard man/*.3); do install -m 644 $$page $(DESTDIR)$(MANDIR)/man3/; done

uninstall: ## remove what install put there
	rm -f $(DESTDIR)$(INCLUDEDIR)/bglssl.h $(DESTDIR)$(LIBDIR)/$(SONAME) $(DESTDIR)$(LIBDIR)/libbglssl.so \
	    $(DESTDIR)$(LIBDIR)/libbglssl.a $(DESTDIR)$(LIBDIR)/pkgconfig/bglssl.pc
	for page in $(notdir $(wildcard man/*.3)); do rm -f $(DESTDIR)$(MANDIR)/man3/$$page; done

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
