/** Schedules, workflows and autoscalers. */
import { oneOf, wholeNumber } from '../../../model/checks.ts'
import { SpindleError } from '../../../model/errors.ts'
import type { MessageId } from '../../../model/message.ts'
import type { TaskDesk } from '../admin-parts.ts'
import { queryNumber } from '../orders.ts'
import { type AdminCall, NO_CONTENT, ok, type Route, type RouteParts } from '../route.ts'

const PAGE_MAX = 500
const PAGE_DEFAULT = 100
const STEER = oneOf('run', 'pause', 'resume')
const STEER_FLOW = oneOf('cancel', 'retry')

function deskOf({ desk }: RouteParts): TaskDesk {
  if (desk === undefined) throw new SpindleError('unsupported', 'look at tasks (nobody looks after them here)')
  return desk
}

function pageOf({ query }: AdminCall): { readonly after?: string; readonly limit: number } {
  const after = query.get('after')
  const limit = queryNumber(query, 'limit', wholeNumber(1, PAGE_MAX)) ?? PAGE_DEFAULT
  return { limit, ...(after === null ? {} : { after }) }
}

export const taskRoutes: readonly Route[] = [
  {
    method: 'GET',
    path: '/schedules',
    async answer(call, parts) {
      const page = pageOf(call)
      const all = await deskOf(parts).schedules(page)
      const next = all.length < page.limit ? null : (all.at(-1)?.name ?? null)
      return ok({ items: all.filter(({ queue }) => call.may('read', queue)), next })
    },
  },
  {
    method: 'POST',
    path: '/schedules/:schedule/:act',
    async answer({ name, need }, parts) {
      need('admin', '*')
      return ok(await deskOf(parts).steer(name('schedule'), STEER(name('act'), 'the act')))
    },
  },
  {
    method: 'DELETE',
    path: '/schedules/:schedule',
    async answer({ name, need }, parts) {
      need('admin', '*')
      const { changed } = await deskOf(parts).steer(name('schedule'), 'remove')
      if (!changed) throw new SpindleError('no-such-schedule', `remove schedule '${name('schedule')}'`)
      return NO_CONTENT
    },
  },
  {
    method: 'GET',
    path: '/flows',
    async answer(call, parts) {
      call.need('read', '*')
      return ok(await deskOf(parts).flows(pageOf(call)))
    },
  },
  {
    method: 'GET',
    path: '/flows/:flow',
    async answer({ name, need }, parts) {
      need('read', '*')
      const found = await deskOf(parts).flow(name('flow'))
      if (found === undefined) throw new SpindleError('not-found', `look at workflow ${name('flow')}`)
      return ok(found)
    },
  },
  {
    method: 'POST',
    path: '/flows/:flow/:act',
    async answer({ name, need }, parts) {
      need('admin', '*')
      return ok({ changed: await deskOf(parts).steerFlow(name('flow'), STEER_FLOW(name('act'), 'the act')) })
    },
  },
  {
    method: 'DELETE',
    path: '/flows/:flow',
    async answer({ name, need }, parts) {
      need('admin', '*')
      if (await deskOf(parts).steerFlow(name('flow'), 'remove')) return NO_CONTENT
      throw new SpindleError('not-found', `remove workflow ${name('flow')} (it runs, or is gone)`)
    },
  },
  {
    method: 'GET',
    path: '/messages/:id/task',
    async answer({ name, may }, parts) {
      const id = name('id')
      const found = await parts.port.find(id as MessageId)
      // As with messages: whoever may not read the queue is not told that it exists.
      if (found === undefined || !may('read', found.queue)) throw new SpindleError('not-found', `find task '${id}'`)
      return ok(await deskOf(parts).task(id))
    },
  },
  {
    method: 'GET',
    path: '/scalings',
    async answer({ need }, parts) {
      need('read', '*')
      return ok({ items: await deskOf(parts).scalings(PAGE_MAX), next: null })
    },
  },
]
