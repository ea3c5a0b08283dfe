# make run      install what is missing, build, and show a test picture in the browser
# make test     install what is missing, and run every test
# make check    formatting, lints and documentation
# make bench    compare with nginx-rtmp; prints ratios
# make bench-overhead  what the gateway adds to a segment, with an orchestrator that answers at once
# make bench-signing   tickets a core signs in a second, beside ethers
# make bench-payments  what paying adds to a segment, the ledger's commit included
# make bench-whip  what twenty WHIP publishers cost, and thousands that never come
# make fuzz TARGET=ts    fuzz one reader (FUZZ_SECONDS=60)
# make sim SEEDS=1000  the routing of many streams in virtual time, from seeds
# make sim-mutations  shows that the simulation fails when the routing is broken on purpose
# make prove-2  what takes too long for `make test`: bench, every fuzz target, a soak

SHELL := /bin/bash
CARGO ?= cargo
# Flags of `headgate demo`, such as ARGS='--http-addr 0.0.0.0:8081'.
ARGS ?=
TARGET ?= chunk_reader
FUZZ_SECONDS ?= 60
SOAK_MINUTES ?= 20
SEEDS ?= 1000
FUZZ_TARGETS := $(patsubst tests/fuzz/fuzz_targets/%.rs,%,$(wildcard tests/fuzz/fuzz_targets/*.rs))

.PHONY: help run build player evm ffmpeg-current test check fmt bench bench-overhead bench-signing bench-payments bench-whip fuzz fuzz-all soak sim sim-mutations prove-2 prove-3 prove-4 prove-5
.DEFAULT_GOAL := help

help:
	@sed -n 's/^# make/make/p' Makefile

run: build
	exec target/release/headgate demo $(ARGS)

build: player
	scripts/need build
	$(CARGO) build --release --locked --package headgate

# The watch page's player, pinned by its lock file; the build embeds it.
player: playback/player/node_modules/.package-lock.json
playback/player/node_modules/.package-lock.json: playback/player/package-lock.json
	scripts/need player
	cd playback/player && npm ci --no-audit --no-fund
	@touch $@

# What drives the browser in the tests; no browser is downloaded.
tests/browser/node_modules/.package-lock.json: tests/browser/package-lock.json
	scripts/need player
	cd tests/browser && npm ci --no-audit --no-fund
	@touch $@

# A local chain and a Solidity compiler for the tests; both come whole from npm.
evm: tests/evm/node_modules/.package-lock.json
tests/evm/node_modules/.package-lock.json: tests/evm/package-lock.json
	scripts/need evm
	cd tests/evm && npm ci --ignore-scripts --no-audit --no-fund
	@touch $@

# A current FFmpeg for the tests, which Debian's is not; a static binary, pinned by its hash.
ffmpeg-current: tests/ffmpeg-current/installed/.requirements.txt
tests/ffmpeg-current/installed/.requirements.txt: tests/ffmpeg-current/requirements.txt
	scripts/need python
	rm -rf tests/ffmpeg-current/installed
	python3 -m pip install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
	    --target tests/ffmpeg-current/installed --requirement $<
	@cp $< $@

# A WebRTC publisher for the tests; another one is the current FFmpeg.
tests/webrtc/venv/installed: tests/webrtc/requirements.txt
	scripts/need webrtc
	python3 -m venv tests/webrtc/venv
	tests/webrtc/venv/bin/pip install --quiet --disable-pip-version-check -r tests/webrtc/requirements.txt
	@touch $@

test: player evm ffmpeg-current tests/browser/node_modules/.package-lock.json tests/webrtc/venv/installed
	scripts/need build test
	$(CARGO) test --workspace --locked

check:
	@$(CARGO) fmt --version >/dev/null 2>&1 || { echo "rustfmt is missing: rustup component add rustfmt"; exit 1; }
	@$(CARGO) clippy --version >/dev/null 2>&1 || { echo "clippy is missing: rustup component add clippy"; exit 1; }
	scripts/need build
	$(CARGO) fmt --all --check
	$(CARGO) clippy --workspace --all-targets --locked -- -D warnings
	$(CARGO) clippy -p headgate --all-targets --no-default-features --locked -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --workspace --no-deps --document-private-items --locked

fmt:
	$(CARGO) fmt --all

bench: build
	scripts/need bench
	python3 benches/rtmp_to_hls.py --headgate target/release/headgate

bench-overhead: build
	scripts/need bench
	$(CARGO) build --release --locked --package faulty-orchestrator
	python3 benches/overhead.py --headgate target/release/headgate --faulty-orchestrator target/release/faulty-orchestrator

bench-signing: evm
	scripts/need build bench
	$(CARGO) build --release --locked --package tickets --example signing
	python3 benches/signing.py --signing target/release/examples/signing

bench-payments: build
	scripts/need bench
	$(CARGO) build --release --locked --package faulty-orchestrator
	python3 benches/overhead.py --headgate target/release/headgate --faulty-orchestrator target/release/faulty-orchestrator \
	    --only 720p-paid-alone --only 720p-paid $$(chrt --fifo 1 true && echo --realtime)

bench-whip: build ffmpeg-current
	scripts/need python
	python3 benches/whip.py --headgate target/release/headgate \
	    --ffmpeg $$(ls tests/ffmpeg-current/installed/imageio_ffmpeg/binaries/ffmpeg-*)

soak: build
	scripts/need bench
	python3 benches/soak.py --headgate target/release/headgate --minutes $(SOAK_MINUTES)

# cargo-fuzz works on a stable toolchain without a sanitizer. New inputs stay out of the committed corpus.
fuzz:
	scripts/need build fuzz
	@$(CARGO) fuzz --version >/dev/null 2>&1 || $(CARGO) install cargo-fuzz --locked
	mkdir -p .run/fuzz/$(TARGET)
	RUSTC_BOOTSTRAP=1 $(CARGO) fuzz run --fuzz-dir tests/fuzz -s none $(TARGET) \
	    .run/fuzz/$(TARGET) tests/fuzz/corpus/$(TARGET) -- -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=2048

fuzz-all:
	@set -e; for target in $(FUZZ_TARGETS); do $(MAKE) --no-print-directory fuzz TARGET=$$target; done

prove-2: bench
	$(CARGO) test --locked -p headgate --test gateway -- --ignored --test-threads 1 --nocapture prove::
	$(MAKE) fuzz-all FUZZ_SECONDS=300
	$(MAKE) soak

sim:
	$(CARGO) run --quiet --locked --package sim -- --seeds $(SEEDS)

sim-mutations:
	tests/sim/mutations.sh

# Several orchestrators killed, stopped and slowed, with a browser watching: wants the machine for itself.
prove-3: player tests/browser/node_modules/.package-lock.json
	$(MAKE) sim
	$(MAKE) bench-overhead
	$(CARGO) test --locked -p headgate --test gateway -- --ignored --test-threads 1 --nocapture fleet::

# Hundreds of segments paid for, on a local chain too: wants the machine for itself.
prove-4: player evm
	$(MAKE) bench-signing
	$(MAKE) bench-payments
	$(CARGO) test --locked -p headgate --test gateway -- --ignored --test-threads 1 --nocapture payments:: onchain:: signing::

# Publishers over WebRTC: many, over bad networks, moving, killed and back. Wants the machine for itself.
prove-5: player ffmpeg-current tests/browser/node_modules/.package-lock.json tests/webrtc/venv/installed
	$(MAKE) bench-whip
	$(CARGO) test --locked -p headgate --test gateway -- --ignored --test-threads 1 --nocapture prove_whip:: prove_return::
