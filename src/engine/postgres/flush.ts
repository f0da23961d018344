/** Sends what an image changed, in one statement. */
import { type Entry, hex, isParked, rowOf } from './entry.ts'
import { groupRowOf, isForgettable } from './group.ts'
import type { Image } from './image.ts'
import { keyBytes } from './image-parts.ts'
import { paceRowOf } from './queue.ts'

const APPLY = 'select spindle.apply($1::json, $2::bigint[], $3::bytea[], $4::bytea[], $5::smallint, $6::bigint)'

export async function flush(image: Image): Promise<void> {
  const changes = changesOf(image)
  const { newContents } = image
  if (Object.keys(changes).length > 0 || newContents.length > 0) {
    const bodies =
      newContents.length === 0
        ? [null, null, null]
        : [
            newContents.map(({ place }) => place.content),
            newContents.map(({ content }) => content.head),
            newContents.map(({ content }) => content.body),
          ]
    await image.transaction.run(APPLY, JSON.stringify(changes), ...bodies, image.slot, image.epoch)
  }
  image.newContents = []
  for (const table of [image.entries, image.dedup, image.records, image.groups, image.queues, image.holders]) {
    table.written()
  }
}

type Changes = Record<string, unknown[]>

function changesOf(image: Image): Changes {
  const changes: Changes = {}
  const add = (name: string, value: unknown): void => {
    changes[name] ??= []
    changes[name].push(value)
  }
  for (const { stored, value } of image.entries.changes()) addEntry(add, stored, value)
  for (const { stored, value } of image.dedup.changes().map(withDedupParts)) {
    if (value.held !== undefined)
      add('dedup', { qid: value.qid, key: value.key, id: value.held.number, until: value.held.untilMs })
    else if (stored !== undefined) add('dedupGone', { qid: value.qid, key: value.key })
  }
  for (const { key, stored, value } of image.records.changes()) {
    const place = { key: hex(keyBytes(key)) }
    if (value !== undefined) add('records', { ...place, value: hex(value.value), version: value.version })
    else if (stored !== undefined) add('recordsGone', place)
  }
  for (const { value: group } of image.groups.changes()) {
    if (group === undefined) continue
    if (isForgettable(group, image.now.monotonicMs)) add('groupsGone', { qid: group.qid, gid: group.groupId })
    else add('groups', groupRowOf(group))
  }
  for (const { stored, value } of image.queues.changes()) {
    if (stored !== undefined && value !== undefined) add('queues', paceRowOf(value))
  }
  for (const { key, stored, value } of image.holders.changes()) {
    if (value !== undefined) add('holders', { name: key, until: value })
    else if (stored !== undefined) add('holdersGone', key)
  }
  return changes
}

function withDedupParts(change: ReturnType<Image['dedup']['changes']>[number]) {
  const at = change.key.indexOf(':')
  const qid = Number(change.key.slice(0, at))
  return { stored: change.stored, value: { qid, key: change.key.slice(at + 1), held: change.value } }
}

function addEntry(
  add: (name: string, value: unknown) => void,
  stored: Entry | undefined,
  value: Entry | undefined,
): void {
  const moves =
    stored !== undefined && value !== undefined && (isParked(stored) || isParked(value) || !samePlace(stored, value))
  if (stored !== undefined && (value === undefined || moves)) {
    add(isParked(stored) ? 'parkedGone' : 'liveGone', stored.number)
    if (stored.life.state.kind === 'ready') add('notReturned', placeRowOf(stored))
  }
  if (value === undefined) return
  if (stored !== undefined && !moves) {
    add('liveChanged', rowOf(value))
    if (value.life.state.kind === 'leased' && stored.life.state.kind === 'ready') add('notReturned', placeRowOf(value))
  } else add(isParked(value) ? 'parkedNew' : 'liveNew', rowOf(value))
  // Claims look only behind the highest place they have seen, so what is ready again in its old place says so.
  if (value.life.state.kind === 'ready' && stored !== undefined) add('returned', placeRowOf(value))
}

function samePlace(a: Entry, b: Entry): boolean {
  return a.qid === b.qid && a.rank === b.rank && a.sequence === b.sequence
}

function placeRowOf({ qid, rank, sequence }: Entry): Record<string, unknown> {
  return { qid, rank, ord: sequence }
}
