# Thin on purpose: calls Meson and scripts, holds no rules of its own.

BUILD ?= build

PREFIX ?= /usr

.PHONY: all run test bench lint sanitize clean packages build install uninstall

all: build

packages:
	@platform/linux/install-packages

build: packages
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD)
	@meson compile -C $(BUILD)

# The whole system on this machine; ONCE=1 ends after the demonstration.
run: build
	@tests/netns/demo.py --build $(BUILD) $(if $(ONCE),--once)

# Every suite. SUITE=unit runs one.
test: build
	@meson test -C $(BUILD) --print-errorlogs $(if $(SUITE),--suite $(SUITE))

# Ours and wireguard-go side by side, and what the desktop programs cost; QUICK=1 for five minutes. ONLY=… takes single rows (--list
# names them); BENCH_OUT is where report.md, report.json and the pictures go.
bench: build
	@tests/bench/bench.py --build $(BUILD) $(if $(QUICK),--quick) $(if $(ONLY),--only '$(ONLY)') $(if $(BENCH_OUT),--out $(BENCH_OUT))
	@test -n '$(ONLY)' || tests/bench/desktop.py --build $(BUILD) $(if $(QUICK),--rounds 2) --json $(or $(BENCH_OUT),$(BUILD)/bench)/desktop.json

# Into this machine, or with DESTDIR into a folder, as for a package.
install: build
	@platform/linux/install --build $(BUILD) --prefix $(PREFIX) --destdir "$(DESTDIR)"

# What install put there goes; PURGE=1 takes state, logs and users as well.
uninstall:
	@platform/linux/uninstall --build $(BUILD) --destdir "$(DESTDIR)" $(if $(PURGE),--purge)

# Style, layering, licences. Changes nothing.
lint: packages
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD)
	@meson compile -C $(BUILD)
	@tests/scripts/lint --build $(BUILD)

# The same suites with AddressSanitizer + UndefinedBehaviorSanitizer, then ThreadSanitizer.
sanitize: packages
	@tests/scripts/sanitize

clean:
	rm -rf build build-*
