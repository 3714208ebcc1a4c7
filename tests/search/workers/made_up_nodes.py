"""Nodes that no cluster has, for tests of what is made of them."""

from __future__ import annotations

from search.workers.node_facts import NodeFacts
from search.workers.node_requirements import Needs
from trainers.execution import Execution

VERSIONS = {"torch": "2.14.1", "torch's build": "cu130", "Python": "3.11.7", "CUDA": "13.0"}
CPU, H100 = "AuthenticAMD AVX512 avx512_bf16", "NVIDIA H100"
LIKE = NodeFacts("a-1a2b3c4d", VERSIONS, CPU, cpu_bfloat16=True, gpu=H100, new_gpu=True)
ON_CPU = Needs(Execution(), cpus=1, gpus=0.0, driver=LIKE, kind=CPU)
ON_GPU = Needs(Execution("cuda"), cpus=1, gpus=1.0, driver=LIKE, kind=H100)
