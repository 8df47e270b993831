-- name: insert_log
insert into logs (execution_id, time, level, source, task, text)
values (:execution_id, :time, :level, :source, :task, :text);

-- name: read_logs
select id, time, level, source, text, execution_id, task from logs where id > :after order by id limit :limit;

-- name: newest_logs
select id, time, level, source, text, execution_id, task from logs order by id desc limit :limit;

-- name: read_logs_of
select id, time, level, source, text, execution_id, task from logs
where execution_id = :execution_id and id > :after
order by id
limit :limit;

-- name: prune_logs_of
-- `keep` newest lines stay.
delete from logs
where execution_id = :execution_id
  and id <= (select id from logs where execution_id = :execution_id order by id desc limit 1 offset :keep);

-- name: prune_logs
delete from logs where id <= (select max(id) from logs) - :keep;
