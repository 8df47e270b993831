-- What tasks ask for by name: secrets, encrypted, and configs.

create table secrets (
    name text primary key,
    -- encrypted with a key that is not in the database
    sealed blob not null,
    updated_at integer not null
);

create table configs (
    name text primary key,
    -- JSON
    data blob not null,
    updated_at integer not null
);
