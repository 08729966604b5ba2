# mod_python: builds build/mod_python.so from src/ against one httpd and one
# Python.
#
#   make [PYTHON=/usr/bin/python3] [APXS=apxs] [BUILD=build] [SANITIZE=address,undefined]
#
# The two tools are asked for everything: apxs for httpd's directories, the
# chosen interpreter itself for Python's. Nothing is generated into the tree.

PYTHON  ?= /usr/bin/python3
APXS    ?= apxs
BUILD   ?= build
CC      ?= cc
DESTDIR ?=

.DEFAULT_GOAL := all

httpd_include := $(shell $(APXS) -q INCLUDEDIR)
httpd_libexec := $(shell $(APXS) -q LIBEXECDIR)
httpd_cflags  := $(shell $(APXS) -q EXTRA_CPPFLAGS)
apr_include   := $(shell $(APXS) -q APR_INCLUDEDIR) $(shell $(APXS) -q APU_INCLUDEDIR)
ask_python     = $(shell $(PYTHON) -c 'import sysconfig as s; $(1)')
py_include    := $(call ask_python,print(s.get_path("include")))
py_libdir     := $(call ask_python,print(s.get_config_var("LIBDIR")))
py_library    := $(call ask_python,print("python" + s.get_config_var("LDVERSION")))
py_platlib    := $(call ask_python,print(s.get_path("platlib")))
version       := $(shell sed -n 's/^version = "\(.*\)"/\1/p' python/mod_python/version.py)

CFLAGS   ?= -O2 -g
warnings := -Wall -Wextra -Wshadow -Wmissing-prototypes -Wstrict-prototypes -Wno-unused-parameter
ifdef WERROR
warnings += -Werror
endif
ifdef SANITIZE
sanitize := -fsanitize=$(SANITIZE) -fno-omit-frame-pointer
endif

includes := -Isrc $(addprefix -isystem ,$(httpd_include) $(sort $(apr_include)))
all_cflags = -std=c11 -fPIC -fvisibility=hidden $(warnings) $(httpd_cflags) \
             -DMP_VERSION='"$(version)"' $(CPPFLAGS) $(CFLAGS) $(sanitize)

sources := $(wildcard src/*.c src/*/*.c)
objects := $(sources:src/%.c=$(BUILD)/obj/%.o)

all: $(BUILD)/mod_python.so

$(BUILD)/mod_python.so: $(objects)
	$(CC) -shared $(CFLAGS) $(sanitize) $(LDFLAGS) -Wl,-z,nodelete -Wl,-z,defs -Wl,--allow-shlib-undefined \
	    -o $@ $(objects) -L$(py_libdir) -l$(py_library) -lm

$(BUILD)/obj/%.o: src/%.c $(BUILD)/obj/flags
	@mkdir -p $(@D)
	$(CC) $(all_cflags) $(includes) -isystem $(py_include) -MMD -MP -c -o $@ $<

# Rebuild everything when the compiler, the flags or the targets change.
flags_now := $(CC) $(all_cflags) $(LDFLAGS) $(py_include) $(httpd_include)
$(BUILD)/obj/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' "$(subst ",,$(flags_now))" | cmp -s - $@ || printf '%s\n' "$(subst ",,$(flags_now))" > $@

-include $(objects:.o=.d)

clean:
	rm -rf $(BUILD)

.PHONY: all clean FORCE
