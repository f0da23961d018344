/** Dead letters of all queues, grouped by what killed them. */
import type { MeasuredQueue } from '../../../broker/port.ts'
import type { MessageView } from '../../../model/message.ts'
import type { DeadGroup, DeadLetters } from '../api.ts'
import { errorOf, lookFor } from '../message-filter.ts'
import { ok, type Route } from '../route.ts'

/** Of one queue, and of all: the page must come at once; counts of queues are exact all the same. */
const LOOKED_PER_QUEUE = 2_000
const LOOKED_MAX = 20_000
const LOOK_MS = 400
const MESSAGE_SHOWN = 300
const GROUPS_MAX = 200
const QUEUES_MAX = 200

interface Place {
  readonly queue: string
  readonly state: 'dead' | 'ready'
  readonly count: number
}

export const deadRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/dead',
    async answer({ may, query }, parts) {
      const { port, clock } = parts
      const only = query.get('queue')
      const measures = (await port.measure()).filter(({ queue }) => may('read', queue))
      const places = deadPlaces(measures).filter(({ queue }) => only === null || queue === only)
      const groups = new Map<string, DeadGroup>()
      const queues: DeadLetters['queues'][number][] = []
      const endMs = clock.monotonicMs() + LOOK_MS
      let lookedAll = 0
      for (const place of places.slice(0, QUEUES_MAX)) {
        const { queue, state } = place
        let looked = 0
        if (lookedAll < LOOKED_MAX && clock.monotonicMs() < endMs) {
          const look = await lookFor(parts, { queue, filter: {}, states: [state], limit: LOOKED_PER_QUEUE })
          looked = look.looked
          for (const view of look.found) addTo(groups, view, place)
        }
        lookedAll += looked
        queues.push({ ...place, looked })
      }
      const sorted = [...groups.values()].sort((a, b) => b.count - a.count).slice(0, GROUPS_MAX)
      return ok({ queues, groups: sorted } satisfies DeadLetters)
    },
  },
]

/** What died and was held, and what waits where a policy sends the dead. The fullest first. */
function deadPlaces(measures: readonly MeasuredQueue[]): Place[] {
  const targets = new Set<string>()
  for (const { policy } of measures) if (policy.onDeath.kind === 'deadLetter') targets.add(policy.onDeath.queue)
  return measures
    .flatMap(({ queue, dead, ready }): Place[] => [
      ...(dead > 0 ? [{ queue, state: 'dead' as const, count: dead }] : []),
      ...(targets.has(queue) && ready > 0 ? [{ queue, state: 'ready' as const, count: ready }] : []),
    ])
    .sort((a, b) => b.count - a.count)
}

function addTo(groups: Map<string, DeadGroup>, view: MessageView, { queue, state }: Place): void {
  const death = view.history.at(-1)
  const error = errorOf(view)
  const [diedIn, reason, name] = [death?.queue ?? null, death?.reason ?? null, error?.name ?? null]
  const key = JSON.stringify([queue, state, diedIn, reason, name])
  const known = groups.get(key)
  const atMs = death?.atMs ?? null
  groups.set(key, {
    queue,
    state,
    diedIn,
    reason,
    error: name,
    message: known?.message ?? error?.message.slice(0, MESSAGE_SHOWN) ?? null,
    count: (known?.count ?? 0) + 1,
    latestAtMs: Math.max(known?.latestAtMs ?? 0, atMs ?? 0) || null,
  })
}
