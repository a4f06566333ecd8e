# Everything a user or developer runs; each target sets up what it needs. `make help` lists them.
VENV ?= .venv
CORES ?= $(shell getconf _NPROCESSORS_ONLN)
# Jobs that want a GPU take turns on each; without any, two share the cores.
GPUS := $(shell nvidia-smi --list-gpus 2>/dev/null | grep -c GPU)
export PATH := $(abspath $(VENV))/bin:$(PATH)
READY := $(VENV)/.ready
# An entry of `tables` in config.yaml.
TABLE ?= demo
# The demo trains two models side by side. Threads and resources rerun nothing.
HALF := $(shell echo $$((($(CORES) + 1) / 2)))
SNAKEMAKE = snakemake --cores $(CORES) --resources gpu=$(if $(filter 0,$(GPUS)),2,$(GPUS)) --set-threads evaluate=$(HALF)

.PHONY: help setup demo seeds story domains report browse test test-slow test-ci test-slurm test-extras test-ends faults fuzz lint format bench bench-gpu speed-docs dag schema clean
help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-11s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(READY) ## install everything into VENV (.venv)

$(READY): pyproject.toml envs/setup envs/requirements.txt envs/constraints.txt envs/weights.txt envs/openpifpaf/install envs/openpifpaf/requirements.txt
	@envs/setup $(VENV)

demo: $(READY) ## the whole workflow on people that it renders itself: no data, GPU or licence needed
	@$(SNAKEMAKE)
	@echo; cat results/tables/demo.md; echo
	@echo "Pictures: results/synthetic/parsing/five.qc.png (labels), results/synthetic/small/ranking.png, results/synthetic/small/attention.png"
	@echo "Packs, to search with (docs/use.md): results/synthetic/small/pack, results/synthetic/bot_small/pack"

REPORTED = $(foreach kind,md html account.html,results/tables/$(TABLE).$(kind))
report: $(READY) ## all about TABLE (demo) in one file that opens offline, results/report.html; makes what is missing
	@$(SNAKEMAKE) -- $(REPORTED)
	@$(SNAKEMAKE) --report results/report.html --report-stylesheet workflow/report/style.css -- $(REPORTED)

RUN ?= results/synthetic/small
browse: $(READY) ## a page to search with, of the finished RUN (the demo's), in a browser on this machine alone
	@envs/extra $(VENV) browse python -m reid browse $(RUN)

seeds: $(READY) ## the demo with three seeds, and recipe strong (about 20 minutes more)
	@$(SNAKEMAKE) --configfile benchmarks/three_seeds.yaml
	@echo; cat results/tables/demo.md

story: $(READY) ## the paper's Tables 2 and 4 on more rendered people, three seeds (two hours on two cores)
	@$(SNAKEMAKE) --configfile benchmarks/story.yaml -- results/tables/story.md results/tables/story_losses.md
	@$(SNAKEMAKE) --configfile benchmarks/street.yaml -- results/tables/street.md
	@for table in story story_losses street; do echo; cat results/tables/$$table.md; done

domains: $(READY) ## trained on each of three rendered domains and on all, searched in each (20 minutes on two cores)
	@$(SNAKEMAKE) --configfile benchmarks/domains.yaml -- results/tables/domains.md
	@echo; cat results/tables/domains.md

test: $(READY) ## the fast tests
	@OMP_NUM_THREADS=1 python -m pytest -n $(CORES) --dist worksteal -m "not slow"

test-slow: $(READY) ## the slow tests, the whole workflow among them; lists how long each took
	@python -m pytest -m slow --durations=0 --durations-min=5

# Slow tests that .ci/run has no time for: they need Slurm or a browser, or train or compile for minutes.
LEFT_OUT = tests/workflow/test_slurm.py tests/workflow/test_report_page.py tests/workflow/test_same_bytes.py \
	tests/workflow/test_combination.py::test_from_drawn_people_to_the_matrix \
	tests/unit/reid/training/test_fake_cuda.py::test_no_model_breaks_the_graph_of_torch_compile \
	tests/unit/benchmarks/test_attention.py::test_both_kinds_of_attention_are_trained_and_searched
test-ci: $(READY) ## the slow tests that .ci/run has time for: all but LEFT_OUT in the Makefile
	@OMP_NUM_THREADS=1 python -m pytest -n $(CORES) --dist worksteal -m slow --durations=20 $(LEFT_OUT:%=--deselect %)

test-slurm: $(READY) ## the demo as jobs of a real Slurm, which it installs (Debian, as root), starts and stops
	@envs/slurm
	@python -m pytest -m slow -rs tests/workflow/test_slurm.py

# One environment each, for what they require at odds with one another; EXTRAS=tracklab for one alone.
EXTRAS ?= $(basename $(notdir $(wildcard envs/extras/*.txt)))
test-extras: $(READY) ## the tests against other people's tools, EXTRAS, each in an environment of its own (gigabytes)
	@failed=; for name in $(EXTRAS); do echo "== $$name"; envs/extra $(VENV) $$name || failed="$$failed $$name"; done; \
	 [ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }

test-ends: $(READY) ## a trained model with the oldest and the newest versions that its package allows (gigabytes)
	@BPBREID_ENDS=.extras python -m pytest -rs -s tests/workflow/test_wheel.py -k ends

KILLS ?= 30
faults: $(READY) ## KILLS (30) random kill -9, full and read-only disks, damaged states: what a run survives (half an hour)
	@python tests/faults/survive.py --kills $(KILLS)

FUZZ ?= 60
fuzz: $(READY) ## give every reader of foreign files FUZZ (60) seconds of what a fuzzer thinks of
	@python -m pip install --quiet --disable-pip-version-check -c envs/constraints.txt -r envs/fuzz.txt
	@python -m tests.fuzz --seconds $(FUZZ)

lint: $(READY) ## check style, without changing anything
	ruff check .
	ruff format --check .
	snakefmt --check workflow
	snakemake --lint

format: $(READY) ## bring all files into the style
	ruff check --fix .
	ruff format .
	snakefmt workflow

bench: $(READY) ## measure what the README claims
	@python -m pip install --quiet --disable-pip-version-check -c envs/constraints.txt -r envs/benchmarks.txt
	@failed=; for program in $(filter-out benchmarks/attention.py benchmarks/gpu.py,$(wildcard benchmarks/*.py)); do echo "== $$program"; python $$program || failed="$$failed $$program"; done; \
	 [ -z "$$failed" ] || { echo "under target:$$failed"; exit 1; }

bench-gpu: $(READY) ## labelling, training, embedding, evaluation on this GPU next to the plain way; CPU=1: in small without one
	@python benchmarks/gpu.py $(if $(CPU),--cpu) $(ARGS)

speed-docs: $(READY) ## write the tables of docs/speed.md from the kept reports; KEEP: reports of make bench to keep first
	@python -m benchmarks.report $(KEEP)

dag: $(READY) ## draw the workflow into docs/workflow.md
	@snakemake --rulegraph mermaid-js 2>/dev/null > .dag.part
	@sed -i -e '/^```mermaid$$/,/^```$$/{//!d}' -e '/^```mermaid$$/r .dag.part' docs/workflow.md; rm .dag.part

schema: $(READY) ## write the schema of config.yaml from its types
	python -m reid.config.root > workflow/schemas/config.schema.json

clean: ## remove results, logs and unfinished work (never data/)
	rm -rf results state logs benchmarks/results .snakemake
