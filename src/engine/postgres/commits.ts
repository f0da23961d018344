/** Units, decided and written: the long way in a transaction of the broker, or in one that the caller opened. */
import type { Outcome, Unit } from '../engine.ts'
import type { Connection } from './driver.ts'
import type { Image } from './image.ts'
import type { Joined } from './joining.ts'
import { applyUnit, changesCatalog, namedBy, prefetch } from './units.ts'
import { tellCatalog, type Works } from './works.ts'

/** Plain units the short way, the others the long way; the outcomes are in the order of the units. */
export async function commitUnits({ plain, works }: Joined, units: readonly Unit[]): Promise<Outcome[][]> {
  const tried = await plain.commit(units)
  if (tried === undefined) return commitLong(works, units)
  const rest = units.filter((_, i) => tried[i] === undefined)
  const others = rest.length === 0 ? [] : await commitLong(works, rest)
  let next = 0
  return tried.map((outcomes) => outcomes ?? (others[next++] as Outcome[]))
}

/**
 * In the caller's transaction: it happens with their COMMIT, or never. The locks of its queues are theirs until then; those of plain
 * queues, where units only append or ack, are shared.
 */
export async function commitWithin(
  { database, plain, works }: Joined,
  units: readonly Unit[],
  connection: Connection,
): Promise<Outcome[][]> {
  return database.within('commit within a transaction', connection, async (transaction) => {
    const done = await plain.commitWithin(units, transaction)
    if (done !== undefined) return done
    const image = await works.enter(transaction, { ...namedBy(units), alone: changesCatalog(units) })
    await prefetch(image, units)
    const outcomes = await applyUnits(image, units)
    await image.flush()
    if (changesCatalog(units)) await tellCatalog(transaction)
    // Their COMMIT makes it known; until then nobody here knows whether it happens.
    const told = [...image.hints].flatMap((name) => image.queue(name)?.qid ?? [])
    if (told.length > 0) await transaction.run('select pg_notify(spindle.channel(), $1)', told.join(','))
    return outcomes
  })
}

async function commitLong(works: Works, units: readonly Unit[]): Promise<Outcome[][]> {
  if (units.length === 0) return []
  return works.together({
    attempted: 'commit',
    wanted: { ...namedBy(units), alone: changesCatalog(units) },
    units,
    weight: units.reduce((sum, { ops }) => sum + ops.length, 0),
    run: (image) => applyUnits(image, units),
  })
}

async function applyUnits(image: Image, units: readonly Unit[]): Promise<Outcome[][]> {
  const outcomes: Outcome[][] = []
  for (const unit of units) outcomes.push(await applyUnit(image, unit))
  return outcomes
}
