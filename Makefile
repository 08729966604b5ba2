# mod_python: builds build/mod_python.so from src/ against one httpd and one
# Python.
#
#   make [PYTHON=/usr/bin/python3] [APXS=apxs] [BUILD=build] [WERROR=1]
#        [SANITIZE=address,undefined]
#   make install [DESTDIR=] [PLATLIB=directory for Python packages]
#        [BINDIR=directory for the command mod_python]
#   make check          lint and C unit tests; starts no server
#   make integration    pytest over a real httpd [MPM=event] [TESTS=tests]
#   make asan | tsan    both of these with a sanitizer, in build-asan, build-tsan
#   make fuzz [FUZZ=multipart] [FUZZ_SECONDS=60]    with clang and libFuzzer
#   make bench | compdb | config | format | clean
#
# The two tools are asked for everything: apxs for httpd's directories, the
# chosen interpreter itself for Python's. Nothing is generated into the tree.

PYTHON  ?= /usr/bin/python3
APXS    ?= apxs
BUILD   ?= build
MPM     ?= event
TESTS   ?= tests
CC      ?= cc
DESTDIR ?=

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:

# What needs neither httpd nor Python must work without them.
needs_nothing := clean format
ifneq ($(filter-out $(needs_nothing),$(or $(MAKECMDGOALS),all)),)
needs_tools := yes
endif

ifdef needs_tools
ifeq ($(shell command -v $(APXS)),)
$(error apxs was not found (APXS=$(APXS)): install apache2-dev, or name the apxs of your httpd with APXS=)
endif
ifeq ($(shell command -v $(PYTHON)),)
$(error Python was not found (PYTHON=$(PYTHON)): install python3 and python3-dev, or name another with PYTHON=)
endif
ifeq ($(shell command -v $(firstword $(CC))),)
$(error The C compiler was not found (CC=$(CC)): install gcc, or name another with CC=)
endif
endif

ask_apxs      = $(if $(needs_tools),$(shell $(APXS) -q $(1)))
httpd_include := $(call ask_apxs,INCLUDEDIR)
httpd_libexec := $(call ask_apxs,LIBEXECDIR)
httpd_sysconf := $(call ask_apxs,SYSCONFDIR)
httpd_cflags  := $(call ask_apxs,EXTRA_CPPFLAGS)
httpd_program := $(call ask_apxs,SBINDIR)/$(call ask_apxs,PROGNAME)
apr_include   := $(call ask_apxs,APR_INCLUDEDIR) $(call ask_apxs,APU_INCLUDEDIR)
apr_libs      := $(if $(needs_tools),$(shell $$($(APXS) -q APR_CONFIG) --link-ld --libs))

# Of a virtual environment the Python it was made from: that is the one that
# can be embedded, and the one that finds the installed package.
python     := $(if $(needs_tools),$(shell $(PYTHON) -c 'import sys; print(getattr(sys, "_base_executable", sys.executable))'))
ask_python = $(if $(needs_tools),$(shell $(python) -c 'import sysconfig as s; $(1)'))
py_include := $(call ask_python,print(s.get_path("include")))
py_libdir  := $(call ask_python,print(s.get_config_var("LIBDIR")))
py_library := $(call ask_python,print("python" + s.get_config_var("LDVERSION")))
py_shared  := $(call ask_python,print(s.get_config_var("Py_ENABLE_SHARED") or 0))
py_debug   := $(call ask_python,print(s.get_config_var("Py_DEBUG") or 0))
py_version := $(call ask_python,print(s.get_python_version()))
PLATLIB    ?= $(call ask_python,print(s.get_path("platlib")))
BINDIR     ?= $(call ask_python,print(s.get_path("scripts")))
version    := $(shell sed -n 's/^version = "\(.*\)"/\1/p' python/mod_python/version.py)

ifdef needs_tools
ifeq ($(wildcard $(py_include)/Python.h),)
$(error Python.h was not found in $(py_include): install python3-dev, or name another Python with PYTHON=)
endif
ifeq ($(wildcard $(httpd_include)/httpd.h),)
$(error httpd.h was not found in $(httpd_include): install apache2-dev, or name the apxs of your httpd with APXS=)
endif
ifneq ($(py_shared),1)
$(error $(PYTHON) has no shared library to embed: use a Python built with --enable-shared)
endif
endif

# The request path crosses the layers a dozen times: let the linker inline.
# Fat objects, because scripts/check_globals.py reads them.
ifeq ($(findstring clang,$(CC)),)
CFLAGS   ?= -O2 -g -flto=auto -ffat-lto-objects
else
CFLAGS   ?= -O2 -g
endif
warnings := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wno-unused-parameter
ifdef WERROR
warnings += -Werror
endif
ifdef SANITIZE
sanitize := -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
endif

# A Python outside the system's library directories must be found at run time.
ifeq ($(filter /usr/lib /usr/lib/% /lib /lib/% /usr/lib64,$(py_libdir)),)
py_rpath := -Wl,-rpath,$(py_libdir)
endif

# A debug build's headers may be links to those of the other: the pyconfig.h
# beside the links is meant, not the one beside what they lead to.
ifeq ($(py_debug)$(findstring clang,$(CC)),1)
py_cflags := -fno-canonical-system-headers
endif

includes := -Isrc -Iinclude $(addprefix -isystem ,$(httpd_include) $(sort $(apr_include)))
all_cflags = -std=c11 -fPIC -fvisibility=hidden $(warnings) $(httpd_cflags) $(py_cflags) \
             -DMP_VERSION='"$(version)"' -DMP_PYTHON='"$(python)"' $(CPPFLAGS) $(CFLAGS) $(sanitize)

sources := $(wildcard src/*.c src/*/*.c src/*/*/*.c)
objects := $(sources:src/%.c=$(BUILD)/obj/%.o)
core_objects := $(filter $(BUILD)/obj/core/%,$(objects))
unit_tests := $(patsubst tests/unit/%.c,$(BUILD)/unit/%,$(wildcard tests/unit/test_*.c))

all: $(BUILD)/mod_python.so

$(BUILD)/mod_python.so: $(objects)
	$(CC) -shared $(CFLAGS) $(sanitize) $(LDFLAGS) -Wl,-z,nodelete \
	    -o $@ $(objects) -L$(py_libdir) $(py_rpath) -l$(py_library) -lm

$(BUILD)/obj/%.o: src/%.c $(BUILD)/obj/flags
	@mkdir -p $(@D)
	$(CC) $(all_cflags) $(includes) -isystem $(py_include) -MMD -MP -c -o $@ $<

# Each test program is one file, linked with everything that is plain C.
$(BUILD)/unit/%: tests/unit/%.c $(core_objects) $(BUILD)/obj/flags
	@mkdir -p $(@D)
	$(CC) $(all_cflags) $(includes) -MMD -MP -MF $@.d $(LDFLAGS) -o $@ $< $(core_objects) $(apr_libs) -lpthread -lm

# Rebuild everything when the compiler, the flags or the targets change.
flags_now := $(CC) $(all_cflags) $(LDFLAGS) $(py_include) $(httpd_include)
$(BUILD)/obj/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' "$(subst ",,$(flags_now))" | cmp -s - $@ || printf '%s\n' "$(subst ",,$(flags_now))" > $@

-include $(objects:.o=.d) $(unit_tests:=.d)

# Checks. `check` is what a package build runs: it starts no server.
check: lint unit

lint: $(objects)
	@$(python) scripts/run_tests.py --build $(BUILD) lint

unit: programs
	@$(python) scripts/run_tests.py --build $(BUILD) unit

programs: $(unit_tests)

integration: $(BUILD)/mod_python.so
	MP_BUILD="$(abspath $(BUILD))" MP_MPM=$(MPM) $(PYTHON) -m pytest -q $(TESTS)

# httpd is not instrumented, so the sanitizer's library is loaded before it.
# Python frees at exit what it can, not everything: leaks are not looked for.
asan: export ASAN_OPTIONS = detect_leaks=0:abort_on_error=1:quarantine_size_mb=2:handle_segv=2
asan: export UBSAN_OPTIONS = print_stacktrace=1
asan:
	$(MAKE) BUILD=build-asan SANITIZE=address,undefined CFLAGS='-O1 -g' all unit
	MP_PRELOAD="$$($(CC) -print-file-name=libasan.so)" $(MAKE) BUILD=build-asan SANITIZE=address,undefined CFLAGS='-O1 -g' integration

tsan: export TSAN_OPTIONS = suppressions=$(CURDIR)/scripts/tsan.supp:ignore_noninstrumented_modules=1:report_signal_unsafe=0
tsan:
	$(MAKE) BUILD=build-tsan SANITIZE=thread CFLAGS='-O1 -g' all unit
	MP_PRELOAD="$$($(CC) -print-file-name=libtsan.so)" $(MAKE) BUILD=build-tsan SANITIZE=thread CFLAGS='-O1 -g' integration

# Each harness for a while, beginning with its corpus; what it finds of new
# ways goes to $(BUILD)/fuzz, what it breaks stays there as crash-*.
FUZZ         ?= $(patsubst tests/fuzz/fuzz_%.c,%,$(wildcard tests/fuzz/fuzz_*.c))
FUZZ_SECONDS ?= 60
fuzz_cc      ?= clang

fuzz: $(FUZZ:%=$(BUILD)/fuzz/fuzz_%)
	@cd $(BUILD)/fuzz && for name in $(FUZZ); do \
	    mkdir -p found_$$name; \
	    ./fuzz_$$name -max_total_time=$(FUZZ_SECONDS) -max_len=4096 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
	        found_$$name $(CURDIR)/tests/fuzz/corpus/$$name >$$name.log 2>&1 || { tail -n 40 $$name.log; exit 1; }; \
	    echo "$$name: $$(sed -n 's/^stat::number_of_executed_units: *//p' $$name.log) inputs, nothing found"; \
	done

$(BUILD)/fuzz/fuzz_%: tests/fuzz/fuzz_%.c tests/fuzz/fuzz.h $(wildcard src/core/*.[ch])
	@mkdir -p $(@D)
	$(fuzz_cc) -std=gnu11 -O1 -g -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=all $(httpd_cflags) \
	    $(includes) -o $@ $< $(wildcard src/core/*.c) $(apr_libs) -lpthread -lm

bench: $(BUILD)/mod_python.so
	$(python) bench/hello.py

# What mod_python.version tells of an installed package.
define built_py
"""What mod_python was built for; written by make install."""

HTTPD = "$(httpd_program)"
HTTPD_VERSION = "$(call ask_apxs,HTTPD_VERSION)"
APR_VERSION = "$(shell $$($(APXS) -q APR_CONFIG) --version)"
LIBEXECDIR = "$(httpd_libexec)"
SYSCONFDIR = "$(httpd_sysconf)"
PYTHON_BIN = "$(python)"
TEST_MOD_PYTHON_SO = "$(httpd_libexec)/mod_python.so"
TESTHOME = ""
endef
define command_py
#!$(python)
import sys

sys.path.append("$(PLATLIB)")  # where it usually is already

from mod_python.__main__ import main

sys.exit(main())
endef
install: export BUILT_PY = $(built_py)
install: export COMMAND_PY = $(command_py)

# Installation: the module, the package, the header for other modules, the
# command, and on Debian's layout the two files that a2enmod looks for.
install: $(BUILD)/mod_python.so
	@owner=; test -n "$(DESTDIR)" || owner=$$(dpkg-query -S $(httpd_libexec)/mod_python.so 2>/dev/null | cut -d: -f1); \
	if test -n "$$owner"; then \
	    echo "$(httpd_libexec)/mod_python.so belongs to the package $$owner: remove that first (apt-get remove $$owner)" >&2; exit 1; fi
	install -d -m 755 $(DESTDIR)$(httpd_libexec) $(DESTDIR)$(PLATLIB)/mod_python
	install -m 644 $(BUILD)/mod_python.so $(DESTDIR)$(httpd_libexec)/mod_python.so
	install -d -m 755 $(DESTDIR)$(httpd_include)
	install -m 644 include/mod_python.h $(DESTDIR)$(httpd_include)/mod_python.h
	install -m 644 $(wildcard python/mod_python/*.py python/mod_python/*.pyi python/mod_python/py.typed) $(DESTDIR)$(PLATLIB)/mod_python
	printf '%s\n' "$$BUILT_PY" > $(BUILD)/built.py
	install -m 644 $(BUILD)/built.py $(DESTDIR)$(PLATLIB)/mod_python/built.py
	printf '%s\n' "$$COMMAND_PY" > $(BUILD)/command.py
	install -d -m 755 $(DESTDIR)$(BINDIR)
	install -m 755 $(BUILD)/command.py $(DESTDIR)$(BINDIR)/mod_python
ifneq ($(wildcard $(httpd_sysconf)/mods-available),)
	install -d -m 755 $(DESTDIR)$(httpd_sysconf)/mods-available
	sed 's|@LIBEXECDIR@|$(httpd_libexec)|' conf/python.load.in > $(BUILD)/python.load
	install -m 644 $(BUILD)/python.load $(DESTDIR)$(httpd_sysconf)/mods-available/python.load
	install -m 644 conf/python.conf $(DESTDIR)$(httpd_sysconf)/mods-available/python.conf
else
	@echo "add to the configuration of httpd: LoadModule python_module $(httpd_libexec)/mod_python.so"
endif

# For people.
config:
	@echo "mod_python  $(version)"
	@echo "httpd       $(call ask_apxs,HTTPD_VERSION), headers in $(httpd_include), modules in $(httpd_libexec)"
	@echo "python      $(py_version) ($(python)), headers in $(py_include), library $(py_library) in $(py_libdir)"
	@echo "package     $(PLATLIB)/mod_python"
	@echo "compiler    $(CC) $(subst ",,$(all_cflags)) $(LDFLAGS)"

compdb:
	@$(python) scripts/compdb.py compile_commands.json "$(CC) $(subst ",\",$(all_cflags)) $(includes) -isystem $(py_include)" $(sources) $(wildcard tests/unit/*.c)

format:
	clang-format -i $(wildcard src/*.[ch] src/*/*.[ch] src/*/*/*.[ch] tests/unit/*.[ch])

clean:
	rm -rf $(BUILD)

.PHONY: all install check lint unit programs integration asan tsan fuzz bench config compdb format clean FORCE
