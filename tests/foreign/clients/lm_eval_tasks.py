"""lm_eval on the local tasks, over HTTP: prints what the server answered to each request, and the results."""

import json
import os
import sys

import lm_eval
from lm_eval.tasks import TaskManager

kind, batch, concurrent, tasks = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4:]
chat = kind == "local-chat-completions"
arguments = {"model": "tiny", "base_url": os.environ["OPENAI_BASE_URL"] + ("/chat/completions" if chat else "/completions"),
             "num_concurrent": concurrent, "max_length": 128, "auth_token": os.environ["OPENAI_API_KEY"]}
done = lm_eval.simple_evaluate(
    model=kind, model_args=arguments if chat else {**arguments, "tokenizer_backend": "remote"}, batch_size=batch, tasks=tasks,
    task_manager=TaskManager(include_path="tasks", include_defaults=False), apply_chat_template=chat, bootstrap_iters=0, log_samples=True)
answers = {task: [sample["resps"] for sample in sorted(samples, key=lambda s: s["doc_id"])] for task, samples in done["samples"].items()}
print(json.dumps({"answers": answers, "results": done["results"]}))
