/** Compiled, never run: what must not compile is marked, and an unmarked error fails `npm run types`. */
import {
  chain,
  chord,
  each,
  type FlowRun,
  fanOut,
  group,
  next,
  type Settled,
  type Spindle,
  step,
  task,
} from 'spindle-mq'
import { z } from 'zod'

declare const spindle: Spindle

const book = task('book', { input: z.object({ id: z.string() }), run: ({ id }) => ({ id, nights: 3 }) })
const price = task('price', { input: z.object({ nights: z.number() }), run: ({ nights }) => nights * 80 })
const mail = task('mail', { input: z.number(), run: (total) => `${total} EUR` })
const sum = task('sum', { input: z.array(z.number()), run: (all) => all.length })
const pair = task('pair', { input: z.tuple([z.number(), z.string()]), run: ([n, text]) => text.repeat(n) })

export async function compiles(): Promise<void> {
  const run = await spindle.start(chain(step(book, { id: 'b-1' }), next(price), next(mail)))
  run satisfies FlowRun<string>
  ;(await run.result()) satisfies string
  // @ts-expect-error mail wants a number, book gives an object
  chain(step(book, { id: 'b-1' }), next(mail))
  // @ts-expect-error the input is book's
  step(book, { nights: 3 })
  // @ts-expect-error its first step waits for an input that nobody gives
  await spindle.start(chain(next(price), next(mail)))

  const both = group([step(price, { nights: 1 }), step(mail, 2)])
  ;(await (await spindle.start(both)).result()) satisfies [number, string]
  ;(await (await spindle.start(chain(both, next(pair)))).result()) satisfies string
  ;(await (
    await spindle.start(chord([step(price, { nights: 1 }), step(mail, 2)], next(pair)))
  ).result()) satisfies string
  // @ts-expect-error sum wants numbers, one of the parts gives text
  chain(both, next(sum))
  chain(step(book, { id: 'b' }), group([next(price), step(mail, 1)]))

  const out = fanOut(price, [{ nights: 1 }, { nights: 2 }], { concurrency: 2 })
  ;(await (await spindle.start(chain(out, next(sum)))).result()) satisfies number
  const settled = fanOut(price, [{ nights: 1 }], { failure: 'continue' })
  ;(await (await spindle.start(settled)).result()) satisfies Settled<number>[]
  // @ts-expect-error failures among the results
  chain(settled, next(sum))
  // @ts-expect-error an input that is not the task's
  fanOut(price, [{ days: 1 }])
  const list = task('list', { input: z.void(), run: () => [{ nights: 1 }] })
  chain(step(list, undefined), each(price), next(sum)) satisfies unknown
  // @ts-expect-error book gives no list
  chain(step(book, { id: 'b' }), each(price))
}
