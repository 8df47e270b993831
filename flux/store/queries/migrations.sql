-- name: create_migrations
create table if not exists migrations (
    number integer primary key,
    name text not null,
    applied_at integer not null
);

-- name: applied_migrations
select number from migrations order by number;

-- name: insert_migration
insert into migrations (number, name, applied_at) values (:number, :name, :applied_at);
