/**
 * The schema, as steps that only go forward. Each step runs once, in a transaction, under an advisory lock (migrate.ts). A step that
 * was published is never edited; what changes is a new step, which brokers of the version before must be able to run beside.
 *
 *   queue    one row a queue: policy, and what is counted on it (turns, bucket)
 *   live     messages that are ready or leased: narrow rows, leased in place; no index on what a lease changes, so that it is a HOT update
 *   parked   messages that are delayed, done or dead: same columns, other indexes; a claim never walks over them
 *   body     contents, immutable, shared by every message they fan out to; partitioned by slot, a slot is reclaimed by TRUNCATE
 *   grp      one row a group: its turn, its claim, its bucket, and the first of its line
 *   dedup    what answers `duplicate`
 *   waiter   brokers whose consumers wait, by queue: who appends tells them
 *   record, holder, broker, catalog, returned
 *
 * Instants are milliseconds of the store's time, as double precision. `rank` is 255 - priority, so that every key ascends.
 * `ord` is a message's place, drawn from one sequence, and its id unless it moved.
 */

import { PLAIN_FUNCTIONS } from './schema-plain.ts'
import { SEND_FUNCTIONS } from './schema-send.ts'
import { SLOT_FUNCTIONS } from './schema-slots.ts'

/** Partitions of `body`. One is written at a time; the others wait to be emptied. */
export const SLOTS = 8

const ENTRY = `
  qid int not null,
  rank smallint not null,
  ord bigint not null,
  id bigint not null,
  slot smallint not null,
  content bigint not null,
  bytes int not null,
  state smallint not null,
  enqueued float8 not null,
  until float8,
  token bigint,
  holder text collate "C",
  from_dead boolean,
  attempts int not null default 0,
  deliveries int not null default 0,
  expires float8,
  first_leased float8,
  gid text collate "C",
  dedup text collate "C",
  history text,
  note bytea,
  kept bytea,
  ended float8,
  change bigint`

const slots = Array.from(
  { length: SLOTS },
  (_, slot) => `create table spindle.body_${slot} partition of spindle.body for values in (${slot});`,
).join('\n')

const tables = `
create table spindle.catalog (
  one boolean primary key default true check (one),
  tag bytea not null,
  version bigint not null default 1,
  slot smallint not null default 0,
  rotated float8 not null default 0
);
create sequence spindle.seq;
create sequence spindle.epoch_seq;
create sequence spindle.change_seq;
create sequence spindle.qid_seq as int;

create table spindle.queue (
  qid int primary key,
  name text collate "C" not null unique,
  policy text not null,
  lifetime text not null,
  version bigint not null,
  ranks smallint[] not null default '{255}',
  used float8 not null,
  full_ms float8 not null default 0,
  turns bigint not null default 0,
  ungrouped_turn bigint not null default 0
) with (fillfactor = 50);

create table spindle.live (${ENTRY},
  primary key (qid, rank, ord)
) with (fillfactor = 60, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000, autovacuum_vacuum_cost_delay = 0);
create unique index live_id on spindle.live (id);
create index live_line on spindle.live (qid, gid, rank, ord) where gid is not null;
create index live_expires on spindle.live (expires) where expires is not null;

create table spindle.parked (${ENTRY},
  due float8,
  primary key (qid, rank, ord)
) with (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 5000, autovacuum_vacuum_cost_delay = 0);
create unique index parked_id on spindle.parked (id);
create index parked_due on spindle.parked (due) where due is not null;
create index parked_line on spindle.parked (qid, gid, rank, ord) where gid is not null and state = 2;
create index parked_done on spindle.parked (qid, change) where state = 3;

create table spindle.body (
  slot smallint not null,
  content bigint not null,
  head bytea not null,
  body bytea not null,
  primary key (slot, content)
) partition by list (slot);
${slots}

create table spindle.grp (
  qid int not null,
  gid text collate "C" not null,
  size int not null default 0,
  leased int not null default 0,
  turn bigint not null default 0,
  head_rank smallint,
  head_ord bigint,
  head_ready boolean not null default false,
  full_ms float8 not null default 0,
  claim_consumer text collate "C",
  claim_holder text collate "C",
  claim_until float8,
  primary key (qid, gid)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
create index grp_turn on spindle.grp (qid, turn, head_rank, head_ord) where head_ready;

create table spindle.dedup (
  qid int not null,
  key text collate "C" not null,
  id bigint not null,
  until float8,
  primary key (qid, key)
) with (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_cost_delay = 0);
create index dedup_until on spindle.dedup (until) where until is not null;

create table spindle.record (
  key bytea primary key,
  value bytea not null,
  version bigint not null
);

create table spindle.holder (
  name text collate "C" primary key,
  until float8 not null
) with (fillfactor = 50);

create table spindle.broker (
  epoch bigint primary key,
  until float8 not null,
  name text not null
) with (fillfactor = 50);

create table spindle.waiter (
  qid int not null,
  epoch bigint not null,
  primary key (qid, epoch)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 500, autovacuum_vacuum_cost_delay = 0);

create table spindle.returned (
  qid int not null,
  rank smallint not null,
  ord bigint not null,
  primary key (qid, rank, ord)
) with (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_cost_delay = 0);
`

/** Writes what one batch of verbs changed, in one round trip. Bodies come apart, since they are bytes. */
const flush = `
create function spindle.apply(changes json, contents bigint[], heads bytea[], bodies bytea[], body_slot smallint, own_epoch bigint) returns void
language plpgsql as $$
declare
  ordered int[];
  fair int[];
begin
  if contents is not null then
    insert into spindle.body (slot, content, head, body)
    select body_slot, c, h, b from unnest(contents, heads, bodies) as x(c, h, b);
  end if;
  if changes->'liveGone' is not null then
    delete from spindle.live l using json_array_elements_text(changes->'liveGone') x where l.id = x::bigint;
  end if;
  if changes->'parkedGone' is not null then
    delete from spindle.parked p using json_array_elements_text(changes->'parkedGone') x where p.id = x::bigint;
  end if;
  if changes->'liveNew' is not null then
    insert into spindle.live select * from json_populate_recordset(null::spindle.live, changes->'liveNew');
  end if;
  if changes->'parkedNew' is not null then
    insert into spindle.parked select * from json_populate_recordset(null::spindle.parked, changes->'parkedNew');
  end if;
  if changes->'liveChanged' is not null then
    update spindle.live l set state = c.state, until = c.until, token = c.token, holder = c.holder, from_dead = c.from_dead,
      attempts = c.attempts, deliveries = c.deliveries, first_leased = c.first_leased, note = c.note
    from json_populate_recordset(null::spindle.live, changes->'liveChanged') c where l.id = c.id;
  end if;
  if changes->'liveNew' is not null or changes->'parkedNew' is not null then
    perform spindle.know_ranks(array_agg(e.qid), array_agg(e.rank)) from (
      select qid, rank from json_populate_recordset(null::spindle.live, coalesce(changes->'liveNew', '[]'))
      union select qid, rank from json_populate_recordset(null::spindle.parked, coalesce(changes->'parkedNew', '[]'))
    ) e;
  end if;
  if changes->'liveNew' is not null then
    perform spindle.wake(array_agg(distinct qid), own_epoch) from json_populate_recordset(null::spindle.live, changes->'liveNew');
  end if;
  if changes->'returned' is not null then
    perform spindle.wake(array_agg(distinct qid), own_epoch) from json_populate_recordset(null::spindle.returned, changes->'returned');
    insert into spindle.returned select * from json_populate_recordset(null::spindle.returned, changes->'returned')
    on conflict do nothing;
  end if;
  if changes->'notReturned' is not null then
    delete from spindle.returned r using json_populate_recordset(null::spindle.returned, changes->'notReturned') c
    where r.qid = c.qid and r.rank = c.rank and r.ord = c.ord;
  end if;
  if changes->'dedupGone' is not null then
    delete from spindle.dedup d using json_populate_recordset(null::spindle.dedup, changes->'dedupGone') c
    where d.qid = c.qid and d.key = c.key;
  end if;
  if changes->'dedup' is not null then
    insert into spindle.dedup select * from json_populate_recordset(null::spindle.dedup, changes->'dedup')
    on conflict (qid, key) do update set id = excluded.id, until = excluded.until;
  end if;
  if changes->'recordsGone' is not null then
    delete from spindle.record r using json_populate_recordset(null::spindle.record, changes->'recordsGone') c where r.key = c.key;
  end if;
  if changes->'records' is not null then
    insert into spindle.record select * from json_populate_recordset(null::spindle.record, changes->'records')
    on conflict (key) do update set value = excluded.value, version = excluded.version;
  end if;
  if changes->'queues' is not null then
    update spindle.queue q set used = c.used, full_ms = c.full_ms, turns = c.turns, ungrouped_turn = c.ungrouped_turn
    from json_populate_recordset(null::spindle.queue, changes->'queues') c where q.qid = c.qid;
  end if;
  if changes->'holdersGone' is not null then
    delete from spindle.holder h using json_array_elements_text(changes->'holdersGone') x where h.name = x;
  end if;
  if changes->'holders' is not null then
    insert into spindle.holder select * from json_populate_recordset(null::spindle.holder, changes->'holders')
    on conflict (name) do update set until = excluded.until;
  end if;
  if changes->'groups' is not null then
    insert into spindle.grp (qid, gid, size, leased, turn, full_ms, claim_consumer, claim_holder, claim_until)
    select qid, gid, size, leased, turn, full_ms, claim_consumer, claim_holder, claim_until
    from json_populate_recordset(null::spindle.grp, changes->'groups') order by qid, gid
    on conflict (qid, gid) do update set size = excluded.size, leased = excluded.leased, turn = excluded.turn,
      full_ms = excluded.full_ms, claim_consumer = excluded.claim_consumer, claim_holder = excluded.claim_holder,
      claim_until = excluded.claim_until;
    select array_agg(qid) filter (where kind <> 'fair'), array_agg(qid) filter (where kind = 'fair') into ordered, fair
    from (select qid, policy::json->'groups'->>'kind' as kind from spindle.queue
          where qid in (select (x->>'qid')::int from json_array_elements(changes->'groups') x)) q;
    if ordered is not null then
      update spindle.grp g set head_rank = h.rank, head_ord = h.ord, head_ready = coalesce(h.ready, false)
      from json_populate_recordset(null::spindle.grp, changes->'groups') c
      left join lateral (
        select * from (
          (select l.rank, l.ord, l.state = 0 as ready from spindle.live l
           where l.qid = c.qid and l.gid = c.gid and l.gid is not null order by l.rank, l.ord limit 1)
          union all
          (select p.rank, p.ord, false from spindle.parked p
           where p.qid = c.qid and p.gid = c.gid and p.gid is not null and p.state = 2 order by p.rank, p.ord limit 1)
        ) line order by rank, ord limit 1
      ) h on true
      where g.qid = c.qid and g.gid = c.gid and g.qid = any(ordered);
    end if;
    if fair is not null then
      update spindle.grp g set head_rank = h.rank, head_ord = h.ord, head_ready = h.rank is not null
      from json_populate_recordset(null::spindle.grp, changes->'groups') c
      left join lateral (
        select l.rank, l.ord from spindle.live l
        where l.qid = c.qid and l.gid = c.gid and l.gid is not null and l.state = 0 order by l.rank, l.ord limit 1
      ) h on true
      where g.qid = c.qid and g.gid = c.gid and g.qid = any(fair);
    end if;
  end if;
  if changes->'groupsGone' is not null then
    delete from spindle.grp g using json_populate_recordset(null::spindle.grp, changes->'groupsGone') c
    where g.qid = c.qid and g.gid = c.gid;
  end if;
end
$$;
`

/**
 * Counts the groups of a queue anew, after its policy changed or many of its messages went at once. Groups that are drained forget their
 * turn and claim; buckets are kept, never emptier than an empty one (`bucket_max`; null: groups have no rate).
 */
const regroup = `
create function spindle.regroup(queue int, kind text, keep_turns boolean, keep_claims boolean, bucket_max float8, now_ms float8)
returns void language plpgsql as $$
begin
  if kind = 'none' then
    delete from spindle.grp g where g.qid = queue;
    return;
  end if;
  update spindle.grp g set size = 0, leased = 0, head_rank = null, head_ord = null, head_ready = false,
    turn = case when keep_turns then g.turn else 0 end,
    claim_until = case when keep_claims then g.claim_until end,
    full_ms = coalesce(least(g.full_ms, bucket_max), 0)
  where g.qid = queue;
  insert into spindle.grp as g (qid, gid, size, leased)
  select queue, e.gid, count(*), count(*) filter (where e.state = 1) from (
    select l.gid, l.state from spindle.live l where l.qid = queue and l.gid is not null
    union all select p.gid, p.state from spindle.parked p where p.qid = queue and p.gid is not null and p.state = 2
  ) e group by e.gid
  on conflict (qid, gid) do update set size = excluded.size, leased = excluded.leased;
  delete from spindle.grp g where g.qid = queue and g.size = 0 and g.full_ms <= now_ms;
  update spindle.grp g set turn = 0, claim_until = null where g.qid = queue and g.size = 0;
  if kind = 'fair' then
    update spindle.grp g set head_rank = h.rank, head_ord = h.ord, head_ready = true from (
      select distinct on (l.gid) l.gid, l.rank, l.ord from spindle.live l
      where l.qid = queue and l.gid is not null and l.state = 0 order by l.gid, l.rank, l.ord
    ) h where g.qid = queue and g.gid = h.gid;
  else
    update spindle.grp g set head_rank = h.rank, head_ord = h.ord, head_ready = h.ready from (
      select distinct on (e.gid) e.gid, e.rank, e.ord, e.ready from (
        select l.gid, l.rank, l.ord, l.state = 0 as ready from spindle.live l where l.qid = queue and l.gid is not null
        union all select p.gid, p.rank, p.ord, false from spindle.parked p
        where p.qid = queue and p.gid is not null and p.state = 2
      ) e order by e.gid, e.rank, e.ord
    ) h where g.qid = queue and g.gid = h.gid;
  end if;
end
$$;
`

/**
 * Begins the work of a transaction: locks the catalog, and, where the caller knows its latest version, the queues, in the order of
 * their numbers. Everything that is read after a lock is read in a snapshot of its own. One row a queue; without queues, one row.
 */
const enter = `
create function spindle.enter(lock_class int, exclusively boolean, known bigint, qids int[])
returns table (version bigint, slot smallint, qid int, used float8, full_ms float8, turns bigint, ungrouped_turn bigint)
language plpgsql as $$
declare
  at bigint;
  current_slot smallint;
  q int;
begin
  if exclusively then perform pg_advisory_xact_lock(lock_class, 0);
  else perform pg_advisory_xact_lock_shared(lock_class, 0);
  end if;
  select c.version, c.slot into at, current_slot from spindle.catalog c;
  if at = known then
    foreach q in array qids loop perform pg_advisory_xact_lock(lock_class, q); end loop;
  end if;
  return query select at, current_slot, null::int, null::float8, null::float8, null::bigint, null::bigint;
  if at = known then
    return query select at, current_slot, x.qid, x.used, x.full_ms, x.turns, x.ungrouped_turn
    from spindle.queue x where x.qid = any(qids);
  end if;
end
$$;
`

/** Names `spindle.` throughout; the schema's own name takes its place. */
export const migrations: readonly string[] = [
  `${tables}\n${flush}\n${regroup}\n${enter}\n${PLAIN_FUNCTIONS}\n${SLOT_FUNCTIONS}\n${SEND_FUNCTIONS}`,
]

/** An identifier in double quotes, as SQL reads it. */
export function quoted(identifier: string): string {
  return `"${identifier.replaceAll('"', '""')}"`
}

/** Statements are written for a schema named spindle. */
export function inSchema(schema: string): (sql: string) => string {
  const name = `${quoted(schema)}.`
  return (sql) => sql.replace(/\bspindle\./g, () => name)
}
