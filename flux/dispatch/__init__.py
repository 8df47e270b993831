"""Who runs what: the bus, the executions service, the dispatcher, presence of workers, dead runners."""
