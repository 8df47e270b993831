-- When an execution is woken for a wait: at first when the wait ends; later if its owner left that unused.

alter table waits add column next_wake integer;

update waits set next_wake = wake_at;

drop index waits_due;

create index waits_due on waits (next_wake) where next_wake is not null and answered = 0;
