# onebit: `make demo` and `make test` each do all the set-up on a machine with Python, a C compiler and make.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip --disable-pip-version-check
NATIVE := CMakeLists.txt $(shell find native -name '*.[ch]' -o -name '*.def' -o -name '*.cu' -o -name '*.cuh')
CFILES := $(shell find native benchmarks -name '*.[ch]')
export PATH := $(CURDIR)/$(BIN):$(PATH)

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-python build-native test-native test-tiles test-arm test-sanitize fuzz test-slow test-cuda-compile test-cuda-emulated test-gpu bench-gpu check format bench bench-peers clean

help:           ## say what there is
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## */  make \1\t/' | expand -t 28

# ---- set-up: two stamps, so that a second run does nothing -----------------------------------------------------
setup: $(VENV)/.native  ## make .venv and install everything there

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# torch comes first and pinned: asked for by a range, pip may take a newer build with gigabytes of CUDA packages.
$(VENV)/.packages: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) install --quiet --constraint constraints.txt torch numpy
	$(PIP) install --quiet --constraint constraints.txt "scikit-build-core>=1.0" "cmake>=3.20" ninja
	$(PIP) install --quiet --constraint constraints.txt --no-build-isolation --editable ".[dev]"
	@touch $@

# Editable: Python files run from src/, the native library is rebuilt whenever one of its sources changed.
$(VENV)/.native: $(VENV)/.packages $(NATIVE)
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# ---- use ---------------------------------------------------------------------------------------------------------
demo: setup     ## train the paper's MLP on real digits, convert it, run it with 1-bit arithmetic
	$(BIN)/onebit demo

# ---- tests: `make test ISA=scalar` forces one instruction set ----------------------------------------------------
ISA  ?=
JOBS ?= 2
test: test-native test-python  ## all tests but the slow ones

test-python: setup
	ONEBIT_ISA=$(ISA) OMP_WAIT_POLICY=PASSIVE PYTHONHASHSEED=0 $(BIN)/python -m pytest -n $(JOBS)

build-native: setup
	@cmake -S . -B build/native -G Ninja -DCMAKE_BUILD_TYPE=Release -DONEBIT_TESTS=ON >build/native.log 2>&1 || (cat build/native.log; exit 1)
	@cmake --build build/native

test-native: build-native  ## the C tests: every kernel of the table against the scalar one
	ctest --test-dir build/native --output-on-failure

test-tiles: build-native  ## the Python tests of the operators with the amx kernels on emulated tiles
	ONEBIT_LIBRARY=$(CURDIR)/build/native/native/tests/libonebit_emulated_tiles.so $(BIN)/python -m pytest -n $(JOBS) tests/ops tests/runtime

# On another processor the compiler and the emulator are Debian's: say which package lacks, rather than fail in CMake.
test-arm: setup  ## the C tests on 64-bit ARM, cross-compiled and under emulation
	@for tool in aarch64-linux-gnu-gcc:gcc-aarch64-linux-gnu qemu-aarch64:qemu-user; do \
	  command -v $${tool%:*} >/dev/null || { echo "make test-arm needs $${tool%:*}: apt-get install $${tool#*:}"; exit 1; }; done
	cmake -S . -B build/aarch64 -G Ninja -DCMAKE_BUILD_TYPE=Release -DONEBIT_TESTS=ON -DCMAKE_TOOLCHAIN_FILE=cmake/aarch64.cmake
	cmake --build build/aarch64
	ctest --test-dir build/aarch64 --output-on-failure -j $(JOBS)

test-sanitize: setup  ## the C tests under the address, undefined-behaviour and thread sanitizers
	cmake -S . -B build/asan -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DONEBIT_TESTS=ON -DONEBIT_SANITIZE=address,undefined
	cmake --build build/asan
	ctest --test-dir build/asan --output-on-failure
	cmake -S . -B build/tsan -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DONEBIT_TESTS=ON -DONEBIT_SANITIZE=thread
	cmake --build build/tsan
	ctest --test-dir build/tsan --output-on-failure

# Debian packs libFuzzer apart from clang: say which package lacks, rather than fail in CMake.
CLANG        ?= clang
FUZZ_SECONDS ?= 600
fuzz: setup  ## hostile calls of the C library, chosen by libFuzzer, under clang's sanitizers, for FUZZ_SECONDS (600)
	@mkdir -p build/fuzz/corpus
	@echo 'int LLVMFuzzerTestOneInput(const char *data, long size) { return size < 0 && *data; }' | \
	  $(CLANG) $(CFLAGS) -x c -fsanitize=fuzzer,address,undefined - -o build/fuzz/probe || { \
	  echo "make fuzz needs a clang that links -fsanitize=fuzzer: apt-get install clang libclang-rt-dev, or CLANG=clang-19"; exit 1; }
	CC=$(CLANG) cmake -S . -B build/fuzz -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DONEBIT_TESTS=ON -DONEBIT_FUZZ=ON -DONEBIT_SANITIZE=address,undefined
	cmake --build build/fuzz --target fuzz_calls
	cd build/fuzz && nice -n 19 native/tests/fuzz_calls -max_total_time=$(FUZZ_SECONDS) -max_len=600 -print_funcs=0 corpus

# ---- GPU: a GPU machine's Python brings its own torch, so there the plain C library beside the sources is enough --
GPULIB := $(CURDIR)/build/gpu/libonebit.so
$(GPULIB): $(NATIVE)
	@if [ -f $@ ] && ! command -v cmake >/dev/null; then \
	  echo "No cmake here: $@ is used as it was brought, though sources are newer."; \
	else \
	  cmake -S . -B build/gpu -DCMAKE_BUILD_TYPE=Release -DONEBIT_TESTS=OFF && cmake --build build/gpu --target onebit; \
	fi

test-cuda-compile: setup  ## compile every CUDA kernel for every GPU generation and read the machine code; needs no GPU
	$(PIP) install --quiet nvidia-cuda-nvrtc nvidia-cuda-nvdisasm
	$(BIN)/python -m pytest tests/ops/cuda/test_cuda_nvrtc.py

test-cuda-emulated: setup  ## run what NVRTC makes of the CUDA kernels on a machine that executes PTX; needs no GPU
	$(PIP) install --quiet nvidia-cuda-nvrtc
	ONEBIT_EMULATED_CUDA=ptx $(BIN)/python -m pytest -n $(JOBS) tests/ops/cuda

test-gpu: $(GPULIB)  ## on a machine with a GPU: every CUDA kernel against the definition, and under compute-sanitizer
	PYTHONPATH=src ONEBIT_LIBRARY=$(GPULIB) $(PYTHON) -m pytest -m gpu tests/parity/test_cuda_device.py tests/parity/test_cuda_small.py
	PYTHONPATH=src ONEBIT_LIBRARY=$(GPULIB) $(PYTHON) tools/sanitize_gpu.py

bench-gpu: $(GPULIB)  ## on such a machine: checks, then onebit against cuBLAS and the paper's kernels
	ONEBIT_LIBRARY=$(GPULIB) $(PYTHON) benchmarks/gpu.py $(ARGS)

test-slow: setup  ## the checks that take minutes: training, emulated ARM
	$(BIN)/python -m pytest -m slow

check: setup    ## lint, format, types, architecture
	ruff check .
	ruff format --check .
	mypy
	clang-format --dry-run --Werror $(CFILES)
	$(BIN)/python -m pytest --quiet tests/test_architecture.py

format: setup   ## let the formatters have their way
	ruff check --fix .
	ruff format .
	clang-format -i $(CFILES)

RESULTS := benchmarks/results
bench: setup bench-peers  ## measure everything beside this CPU's peaks and other engines, and write docs/performance.md
	$(BIN)/onebit bench gemm --peers --save $(RESULTS)
	$(BIN)/onebit bench gemm --threads 1 --isa all --shape 4096 4096 4096 --shape 8192 8192 8192 --save $(RESULTS)
	$(BIN)/onebit bench conv --peers --save $(RESULTS)
	$(BIN)/onebit bench model --peers --save $(RESULTS)
	$(BIN)/onebit bench figure --out docs/performance
	$(BIN)/python benchmarks/render.py

bench-peers: setup  ## install the engines to compare with; without them the rows say that they are absent
	$(PIP) install --quiet --constraint constraints.txt --no-build-isolation --editable ".[bench]" || \
		echo "OpenVINO or NNCF could not be installed; the rows will say so."

clean:          ## remove what was built, keep .venv
	rm -rf build dist
