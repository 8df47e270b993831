"""Worker agents and the runner processes below them.

An agent (`flux.worker.agent`) talks to the server through a `WorkerPort` and keeps a pool of runners
(`flux.worker.pool`), one code version in each. User code lives only in the runners
(`flux.worker.runner`): whatever it does there, the agent stays responsive and reports it.
"""
