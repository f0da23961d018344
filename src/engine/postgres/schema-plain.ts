/**
 * The short way of plain queues: without groups, caps and pace, many brokers append, claim and ack at once, each call one statement that
 * commits by itself. The queue's lock is shared, so that whoever changes its rules waits for them; a queue that is not as the caller
 * thought (`versions`) gets no row, and the caller looks again.
 */

/** Locks and checks. true: every queue is as the caller knows it. */
const admit = `
create function spindle.admit(lock_class int, qids int[], versions bigint[]) returns boolean
language plpgsql as $$
declare
  q int;
begin
  foreach q in array qids loop perform pg_advisory_xact_lock_shared(lock_class, q); end loop;
  return (select count(*) from spindle.queue x join unnest(qids, versions) w(qid, version)
          on x.qid = w.qid and x.version = w.version) = cardinality(qids);
end
$$;
`

/**
 * Appends. The transaction has its id before a place is drawn, so that whoever sees a place knows which transactions may still commit
 * lower ones. Contents stand one behind the other in `bytes`, since an array of them would have to be written and read as text; of each
 * `firsts` has the entry that it comes with first. Answers with the places, in order; null: look again.
 */
const append = `
create function spindle.append_plain(lock_class int, qids int[], versions bigint[], bytes bytea, firsts int[], starts int[],
  heads int[], bodies int[], e_qid int[], e_rank smallint[], e_content int[], e_gid text[], e_dedup text[], e_expires float8[], e_due float8[],
  now_wall float8, own_epoch bigint, late boolean) returns text
language plpgsql set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
  set plan_cache_mode = force_generic_plan set lock_timeout = '10s' as $$
#variable_conflict use_column
declare
  nums bigint[];
  contents bigint[];
  at smallint;
begin
  if not spindle.admit(lock_class, qids, versions) then return null; end if;
  perform pg_current_xact_id();
  select c.slot into at from spindle.catalog c;
  select array_agg(nextval('spindle.seq')) into nums from generate_series(1, cardinality(e_qid));
  select array_agg(nums[f] order by n) into contents from unnest(firsts) with ordinality x(f, n);
  insert into spindle.body (slot, content, head, body)
  select at, c, substring(bytes from s for h), substring(bytes from s + h for b) from unnest(contents, starts, heads, bodies) x(c, s, h, b);
  insert into spindle.live (qid, rank, ord, id, slot, content, bytes, state, enqueued, expires, gid, dedup)
  select q, r, nums[n], nums[n], at, contents[c], heads[c] + bodies[c], 0, now_wall, x, g, d
  from unnest(e_qid, e_rank, e_content, e_gid, e_dedup, e_expires, e_due) with ordinality e(q, r, c, g, d, x, due, n)
  where due is null;
  if e_due is not null then
    insert into spindle.parked (qid, rank, ord, id, slot, content, bytes, state, enqueued, until, expires, gid, dedup, due)
    select q, r, nums[n], nums[n], at, contents[c], heads[c] + bodies[c], 2, now_wall, due, x, g, d, least(due, x)
    from unnest(e_qid, e_rank, e_content, e_gid, e_dedup, e_expires, e_due) with ordinality e(q, r, c, g, d, x, due, n)
    where due is not null;
  end if;
  perform spindle.know_ranks(e_qid, e_rank);
  if late then
    insert into spindle.returned (qid, rank, ord)
    select q, r, nums[n] from unnest(e_qid, e_rank, e_due) with ordinality e(q, r, due, n) where due is null;
    perform pg_notify(spindle.channel(), array_to_string(qids, ','));
  else
    perform spindle.wake(qids, own_epoch);
  end if;
  return array_to_string(nums, ',');
end
$$;

create function spindle.know_ranks(e_qid int[], e_rank smallint[]) returns void
language plpgsql as $$
begin
  if exists (select from (select distinct q, r from unnest(e_qid, e_rank) e(q, r)) e join spindle.queue x on x.qid = e.q
             where not e.r = any(x.ranks)) then
    update spindle.queue x set ranks = (
      select array_agg(distinct r) from (select unnest(x.ranks) r union select e.r from unnest(e_qid, e_rank) e(q, r) where e.q = x.qid) y)
    where x.qid = any(e_qid);
  end if;
end
$$;

create function spindle.channel() returns text language sql stable as $$
  select 'spindle:' || encode(c.tag, 'hex') from spindle.catalog c
$$;

create function spindle.tell_catalog() returns bigint language plpgsql as $$
declare
  at bigint;
begin
  update spindle.catalog c set version = c.version + 1 returning c.version into at;
  perform pg_notify(spindle.channel(), 'catalog');
  return at;
end
$$;

create function spindle.wake(qids int[], own_epoch bigint) returns void
language plpgsql as $$
declare
  heard int[];
begin
  if exists (select from spindle.waiter w where w.qid = any(qids) and w.epoch <> own_epoch) then
    with gone as (delete from spindle.waiter w where w.qid = any(qids) and w.epoch <> own_epoch returning w.qid)
    select array_agg(distinct qid) into heard from gone;
    if heard is not null then perform pg_notify(spindle.channel(), array_to_string(heard, ',')); end if;
  end if;
end
$$;
`

/**
 * Claims. `floors`: of each rank, behind which place to look; what is ready below it is in `returned`. The answer tells the oldest
 * running transaction and the next one, by which the caller knows when a place it saw may become its floor.
 */
const claim = `
create function spindle.claim_plain(lock_class int, queue int, known bigint, f_rank smallint[], f_floor bigint[], most int,
  ends float8, by_holder text, with_token bigint, holder_ends float8, now_ms float8, now_wall float8, arms bigint)
returns table (oldest bigint, next bigint, rank smallint, ord bigint, id bigint, enqueued float8, attempts int, deliveries int,
  expires float8, first_leased float8, gid text, dedup text, history text, note bytea, head bytea, body bytea)
language plpgsql set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
  set plan_cache_mode = force_generic_plan set lock_timeout = '10s' as $$
#variable_conflict use_column
declare
  ranks smallint[];
  low bigint;
  high bigint;
begin
  perform pg_advisory_xact_lock_shared(lock_class, queue);
  select q.ranks into ranks from spindle.queue q where q.qid = queue and q.version = known;
  if not found then return; end if;
  if by_holder is not null then
    insert into spindle.holder (name, until) values (by_holder, holder_ends) on conflict do nothing;
  end if;
  low := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
  high := pg_snapshot_xmax(pg_current_snapshot())::text::bigint;
  return query select low, high, null::smallint, null::bigint, null::bigint, null::float8, null::int, null::int, null::float8,
    null::float8, null::text, null::text, null::text, null::bytea, null::bytea, null::bytea;
  if exists (select from spindle.returned r where r.qid = queue) then
    return query
    with r as materialized (
      select l.ctid as at, l.rank, l.ord from spindle.returned x
      join spindle.live l on l.qid = x.qid and l.rank = x.rank and l.ord = x.ord
      where x.qid = queue and l.state = 0 and (l.expires is null or l.expires > now_ms)
      order by l.rank, l.ord limit most for update of l skip locked
    ), f as materialized (
      select l.* from (select k.rank, coalesce(g.floor, 0) as floor from unnest(ranks) k(rank)
        left join unnest(f_rank, f_floor) g(rank, floor) on g.rank = k.rank order by k.rank) p
      cross join lateral (select l.ctid as at, l.rank, l.ord from spindle.live l
        where l.qid = queue and l.rank = p.rank and l.ord > p.floor and l.state = 0 and (l.expires is null or l.expires > now_ms)
        order by l.ord limit most for update skip locked) l
    ), c as materialized (
      select distinct on (b.rank, b.ord) b.at, b.rank, b.ord from (select * from r union all select * from f) b order by b.rank, b.ord limit most
    ), gone as (
      delete from spindle.returned x using c where x.qid = queue and x.rank = c.rank and x.ord = c.ord
    ), u as (
      update spindle.live l set state = 1, until = ends, token = with_token, holder = by_holder, from_dead = false,
        attempts = l.attempts + 1, deliveries = l.deliveries + 1, first_leased = coalesce(l.first_leased, now_wall)
      from c where l.ctid = c.at returning l.rank, l.ord, l.id, l.slot, l.content, l.enqueued, l.attempts, l.deliveries, l.expires,
        l.first_leased, l.gid, l.dedup, l.history, l.note
    )
    select null::bigint, null::bigint, u.rank, u.ord, u.id, u.enqueued, u.attempts, u.deliveries, u.expires, u.first_leased,
      u.gid, u.dedup, u.history, u.note, b.head, b.body
    from u join spindle.body b on b.slot = u.slot and b.content = u.content order by u.rank, u.ord;
  else
    return query
    with c as materialized (
      select l.at from (select k.rank, coalesce(g.floor, 0) as floor from unnest(ranks) k(rank)
        left join unnest(f_rank, f_floor) g(rank, floor) on g.rank = k.rank order by k.rank) p
      cross join lateral (select l.ctid as at, l.rank, l.ord from spindle.live l
        where l.qid = queue and l.rank = p.rank and l.ord > p.floor and l.state = 0 and (l.expires is null or l.expires > now_ms)
        order by l.ord limit most for update skip locked) l
      limit most
    ), u as (
      update spindle.live l set state = 1, until = ends, token = with_token, holder = by_holder, from_dead = false,
        attempts = l.attempts + 1, deliveries = l.deliveries + 1, first_leased = coalesce(l.first_leased, now_wall)
      from c where l.ctid = c.at returning l.rank, l.ord, l.id, l.slot, l.content, l.enqueued, l.attempts, l.deliveries, l.expires,
        l.first_leased, l.gid, l.dedup, l.history, l.note
    )
    select null::bigint, null::bigint, u.rank, u.ord, u.id, u.enqueued, u.attempts, u.deliveries, u.expires, u.first_leased,
      u.gid, u.dedup, u.history, u.note, b.head, b.body
    from u join spindle.body b on b.slot = u.slot and b.content = u.content order by u.rank, u.ord;
  end if;
  if not found and arms is not null then
    insert into spindle.waiter (qid, epoch) values (queue, arms) on conflict do nothing;
  end if;
end
$$;
`

/** Acks of leases, and late ones where the queue takes them. Answers with the numbers that were settled, `*` for all; null: look again. */
const ack = `
create function spindle.ack_plain(lock_class int, qids int[], versions bigint[], a_qid int[], a_id bigint[], a_token bigint[], a_late boolean[])
returns text
language plpgsql set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
  set plan_cache_mode = force_generic_plan set lock_timeout = '10s' as $$
#variable_conflict use_column
declare
  settled text;
begin
  if not spindle.admit(lock_class, qids, versions) then return null; end if;
  with d as (
    delete from spindle.live l where l.ctid = any(array(
      select x.at from unnest(a_qid, a_id, a_token, a_late) a(qid, id, token, late) cross join lateral (
        select e.ctid as at from spindle.live e
        where e.id = a.id and e.qid = a.qid and e.token = a.token and (e.state = 1 or a.late) for update limit 1) x))
    returning l.id, l.qid, l.dedup
  ), freed as (
    delete from spindle.dedup k using d where d.dedup is not null and k.qid = d.qid and k.key = d.dedup and k.id = d.id and k.until is null
  )
  select case when count(*) = cardinality(a_id) then '*' else coalesce(string_agg(id::text, ','), '') end into settled from d;
  return settled;
end
$$;

create function spindle.extend_plain(lock_class int, qids int[], versions bigint[], a_qid int[], a_id bigint[], a_token bigint[],
  ends float8, now_ms float8) returns text
language plpgsql set enable_seqscan = off set enable_hashjoin = off set enable_mergejoin = off set jit = off
  set plan_cache_mode = force_generic_plan set lock_timeout = '10s' as $$
#variable_conflict use_column
declare
  extended text;
begin
  if not spindle.admit(lock_class, qids, versions) then return null; end if;
  with u as (
    update spindle.live l set until = ends from unnest(a_qid, a_id, a_token) a(qid, id, token)
    where l.id = a.id and l.qid = a.qid and l.token = a.token and l.state = 1 and (l.until is null or l.until > now_ms)
    returning l.id
  )
  select coalesce(string_agg(id::text, ','), '') into extended from u;
  return extended;
end
$$;
`

export const PLAIN_FUNCTIONS = `${admit}\n${append}\n${claim}\n${ack}`
