/**
 * `spindle.send(queue, body)`: for triggers, psql, and every language that has a PostgreSQL driver. The message is stored with the
 * transaction around the call, as JSON, like one that `queue.send` stores. Queues with dedup, caps or an order of groups are refused:
 * what they promise is decided by a broker.
 */
const send = `
create function spindle.send(queue text, body jsonb, delay_ms float8 default 0, priority int default 0, ttl_ms float8 default null)
returns bigint
language plpgsql as $$
declare
  target spindle.queue;
  policy json;
  lock_class int;
  num bigint;
  at smallint;
  now_ms float8;
  life float8;
  wait float8;
  place smallint;
  bytes bytea;
begin
  select q.* into target from spindle.queue q where q.name = queue;
  if not found then
    raise exception 'queue % has not been declared', queue using errcode = 'no_data_found', hint = 'Declare it with a broker first.';
  end if;
  lock_class := spindle.lock_class();
  perform pg_advisory_xact_lock_shared(lock_class, target.qid);
  select q.* into target from spindle.queue q where q.qid = target.qid;
  if not found then
    raise exception 'queue % has just been deleted', queue using errcode = 'no_data_found';
  end if;
  policy := target.policy::json;
  if policy->'groups'->>'kind' <> 'none' or policy->>'lengthMax' is not null or policy->>'lengthBytesMax' is not null
     or target.lifetime::json->>'kind' = 'idle' then
    raise exception 'queue % has groups, caps or a lifetime that a broker has to judge', queue
      using errcode = 'feature_not_supported', hint = 'Send to it through a broker, or with within() of spindle-mq.';
  end if;
  if priority not between 0 and 255 or delay_ms < 0 or ttl_ms < 1 then
    raise exception 'priority must be 0 to 255, delay_ms 0 or more, ttl_ms 1 or more' using errcode = 'invalid_parameter_value';
  end if;
  perform pg_current_xact_id();
  now_ms := extract(epoch from clock_timestamp())::float8 * 1000;
  select c.slot into at from spindle.catalog c;
  num := nextval('spindle.seq');
  bytes := convert_to(body::text, 'UTF8');
  place := 255 - least(priority, coalesce((policy->>'priorityMax')::int, 255));
  wait := case when delay_ms > 0 then delay_ms else coalesce((policy->>'delayMs')::float8, 0) end;
  life := least(coalesce(ttl_ms, (policy->>'ttlMs')::float8), (policy->>'ttlMsMax')::float8);
  insert into spindle.body (slot, content, head, body) values (at, num, '\\x02', bytes);
  if wait > 0 then
    insert into spindle.parked (qid, rank, ord, id, slot, content, bytes, state, enqueued, until, expires, due)
    values (target.qid, place, num, num, at, num, length(bytes) + 1, 2, floor(now_ms), now_ms + wait, now_ms + life,
      least(now_ms + wait, now_ms + life));
  else
    insert into spindle.live (qid, rank, ord, id, slot, content, bytes, state, enqueued, expires)
    values (target.qid, place, num, num, at, num, length(bytes) + 1, 0, floor(now_ms), now_ms + life);
    insert into spindle.returned (qid, rank, ord) values (target.qid, place, num);
  end if;
  if not place = any(target.ranks) then perform spindle.know_ranks(array[target.qid], array[place]); end if;
  perform pg_notify(spindle.channel(), target.qid::text);
  return num;
end
$$;
`

/** Which advisory locks are this store's: one class a store, one number a queue. */
const lockClass = `
create function spindle.lock_class() returns int language sql stable as $$
  select hashtext(encode(c.tag, 'hex')) from spindle.catalog c
$$;
`

export const SEND_FUNCTIONS = `${lockClass}\n${send}`
