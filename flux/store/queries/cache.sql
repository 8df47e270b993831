-- name: get_cached
select data, encoding, preview from cached where key = :key and (expires_at is null or expires_at > :now);

-- name: put_cached
insert into cached (key, data, encoding, preview, created_at, expires_at)
values (:key, :data, :encoding, :preview, :now, :expires_at)
on conflict (key) do update set
    data = excluded.data, encoding = excluded.encoding, preview = excluded.preview,
    created_at = excluded.created_at, expires_at = excluded.expires_at;

-- name: drop_expired
delete from cached where expires_at is not null and expires_at <= :now;
