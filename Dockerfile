# The project and its pinned environment, with Snakemake as the program; how to build and run it: docs/reproduce.md.

# Any image with Python 3.11, its venv, and Debian's packages: --build-arg BASE=...
ARG BASE=python:3.11.11-slim-bookworm
FROM ${BASE}

# Triton compiles what launches its kernels, on the machine with the GPU.
RUN apt-get update && apt-get install --yes --no-install-recommends gcc libc6-dev && rm -rf /var/lib/apt/lists/*

# Debian's own Python lets pip install nothing beside its packages.
RUN python3 -m venv /environment
ENV VIRTUAL_ENV=/environment PATH=/environment/bin:$PATH
# uv installs several times faster than pip. It compiles bytecode here, once, and trusts what the base image trusts.
ENV UV_NO_CACHE=1 UV_COMPILE_BYTECODE=1 UV_SYSTEM_CERTS=1
RUN python -m pip install --no-cache-dir uv

WORKDIR /slotmachines
COPY requirements.lock ./
RUN uv pip install --require-hashes -r requirements.lock

COPY pyproject.toml README.md LICENSE Snakefile ./
COPY src src
COPY config config
COPY profiles profiles
COPY workflow workflow
COPY results results
RUN uv pip install --no-deps -e .

# What results say about their origin, as the image has no repository.
ARG COMMIT=unknown
ENV SLOTMACHINES_COMMIT=$COMMIT

ENTRYPOINT ["snakemake"]
CMD ["--cores", "all", "--configfile", "config/smoke.yaml", "--config", "runs_per_job=9"]
