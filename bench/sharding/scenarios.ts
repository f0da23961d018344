/** What the page on sharding asks, and the answers as its table. */
import { type Figures, SHARD_RATE, Shards, type Stream } from './shards.ts'

export interface Scenario {
  readonly title: string
  readonly run: () => Figures
}

const SEED = 1
/** Of a shard's rate: what is offered on average. */
const LOAD = 0.5

/** `queues` alike, each in 16 sub-queues, with `rate` in all. */
const alike = (queues: number, rate: number, ordered = false): Stream[] =>
  Array.from({ length: queues }, (_, n) => ({ name: `q${n}`, rate: rate / queues, places: ordered ? 64 : 16, ordered }))

const steady = (shards: number, streams: readonly Stream[], seconds = 60): Figures =>
  new Shards({ shards, streams, seed: SEED }).run(seconds).figures(seconds)

const hot = (places: number, share: number): Figures => {
  const rate = 8 * SHARD_RATE * LOAD
  const streams = [{ name: 'hot', rate: rate * share, places, ordered: false }, ...alike(200, rate * (1 - share))]
  return steady(8, streams)
}

/** A shard is away for `awayS`; the run ends when all is served. */
function loss(awayS: number, load: number): Figures {
  const shards = new Shards({ shards: 8, streams: alike(400, 8 * SHARD_RATE * load), seed: SEED })
  shards.run(30).setDown(3, true).run(awayS).setDown(3, false)
  let seconds = 30 + awayS
  const usual = 8 * SHARD_RATE
  for (; seconds < 600 && (shards.run(1).backlog > usual * 0.02 || seconds < 60 + awayS); seconds++);
  return shards.figures(seconds)
}

function growth(ordered: boolean): Figures {
  const shards = new Shards({ shards: 8, streams: alike(400, 8 * SHARD_RATE * 0.8, ordered), seed: SEED })
  shards.run(30).grow(2).run(60)
  return shards.figures(90)
}

export const scenarios: readonly Scenario[] = [
  { title: '8 shards, 400 queues alike, half load', run: () => steady(8, alike(400, 8 * SHARD_RATE * LOAD)) },
  {
    title: '40 shards, 2,000 queues alike, half load',
    run: () => steady(40, alike(2_000, 40 * SHARD_RATE * LOAD), 20),
  },
  { title: '8 shards, one queue has a quarter of all, in 1 sub-queue', run: () => hot(1, 0.25) },
  { title: '… in 4 sub-queues', run: () => hot(4, 0.25) },
  { title: '… in 16 sub-queues', run: () => hot(16, 0.25) },
  { title: '… in 64 sub-queues', run: () => hot(64, 0.25) },
  { title: '8 shards, one is restarted: away for 5 s, half load', run: () => loss(5, LOAD) },
  { title: '8 shards, a standby is promoted: away for 15 s, half load', run: () => loss(15, LOAD) },
  { title: '… at 80 % load', run: () => loss(15, 0.8) },
  { title: '8 shards become 10 at 80 % load, standard queues', run: () => growth(false) },
  { title: '… ordered queues', run: () => growth(true) },
]

/** Dollars for a shard's hour and load -> for a million messages. */
export function costPerMillion({ perHour, load }: { readonly perHour: number; readonly load: number }): number {
  return (perHour / (SHARD_RATE * load * 3_600)) * 1_000_000
}

export function figuresTable(): string {
  const rows = scenarios.map(({ title, run }) => {
    const figures = run()
    const waits = [figures.waitP50Ms, figures.waitP99Ms, figures.waitMaxMs]
      .map((ms) => (ms / 1_000).toFixed(1))
      .join(' / ')
    const served = Math.round(figures.servedPerS / 100) / 10
    const moved = figures.slotsMoved === 0 ? '' : String(figures.slotsMoved)
    const fence = figures.fenceMaxMs === 0 ? '' : (figures.fenceMaxMs / 1_000).toFixed(1)
    return `| ${[title, `${served} k`, figures.imbalance.toFixed(2), waits, moved, fence].join(' | ')} |`
  })
  const prices = [0.2, 0.8].flatMap((perHour) => [0.25, 0.5].map((load) => ({ perHour, load })))
  const costs = prices.map(
    (price) => `| $${price.perHour.toFixed(2)} | ${price.load * 100} % | $${costPerMillion(price).toFixed(4)} |`,
  )
  return [
    '| | served/s | busiest / mean | wait p50 / p99 / max, s | slots moved | longest fence, s |',
    '|---|---|---|---|---|---|',
    ...rows,
    '',
    "| a shard's hour | load | a million messages |",
    '|---|---|---|',
    ...costs,
  ].join('\n')
}
