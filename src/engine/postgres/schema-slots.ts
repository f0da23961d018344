/**
 * Reclaiming bodies. A slot that nothing refers to any more is truncated: that needs no vacuum, and works under a snapshot that somebody
 * holds. The lock it takes waits for every transaction that wrote into the slot, so after it nobody can still add a reference.
 */

/** true: the slot is empty now. Fails (lock_not_available) while somebody uses it; then it is tried again later. */
const reclaim = `
create function spindle.reclaim(which smallint) returns boolean
language plpgsql set lock_timeout = '50ms' as $$
begin
  execute 'lock table spindle.body_' || which || ' in access exclusive mode';
  if which = (select c.slot from spindle.catalog c) or exists (
    select from spindle.live l where l.slot = which union all select from spindle.parked p where p.slot = which) then
    return false;
  end if;
  execute 'truncate spindle.body_' || which;
  return true;
end
$$;
`

/** Moves up to `most` bodies of a queue, and what refers to them there, into another slot. The queue is locked meanwhile. */
const evacuate = `
create function spindle.evacuate(lock_class int, queue int, from_slot smallint, to_slot smallint, most int) returns int
language plpgsql as $$
declare
  moved bigint[];
begin
  perform pg_advisory_xact_lock(lock_class, queue);
  select array_agg(x.content) into moved from (
    select distinct e.content from (
      select l.content from spindle.live l where l.qid = queue and l.slot = from_slot
      union all select p.content from spindle.parked p where p.qid = queue and p.slot = from_slot) e limit most) x;
  if moved is null then return 0; end if;
  insert into spindle.body (slot, content, head, body)
  select to_slot, b.content, b.head, b.body from spindle.body b where b.slot = from_slot and b.content = any(moved)
  on conflict do nothing;
  update spindle.live l set slot = to_slot where l.qid = queue and l.slot = from_slot and l.content = any(moved);
  update spindle.parked p set slot = to_slot where p.qid = queue and p.slot = from_slot and p.content = any(moved);
  return cardinality(moved);
end
$$;
`

export const SLOT_FUNCTIONS = `${reclaim}\n${evacuate}`
