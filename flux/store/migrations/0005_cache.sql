-- Results of tasks with `cache`, by a digest of what they depend on.

create table cached (
    key text primary key,
    data blob not null,
    encoding text not null,
    preview text not null,
    created_at integer not null,
    expires_at integer
);

create index cached_expiring on cached (expires_at) where expires_at is not null;
