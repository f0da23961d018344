import { readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { prometheusText } from '../../src/frontends/admin/metrics.ts'
import { defaultPolicy } from '../../src/model/policy.ts'
import { Histogram } from '../../src/runtime/histogram.ts'

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8')

const totals = { appended: 9, delivered: 8, acked: 5, released: 1, lost: 1, died: 1 }
const counts = { delayed: 1, ready: 2, leased: 3, done: 0, dead: 1, bytes: 100 }
const measure = (queue: string) => ({
  queue,
  policy: defaultPolicy,
  lifetime: { kind: 'durable' } as const,
  ...counts,
  oldestReadyAtMs: 4_000,
  totals,
  runP99Ms: 20,
  redelivered: 2,
})
const syncs = new Histogram()
for (const ms of [0.4, 3, 3, 9_000]) syncs.add(ms)
const page = (queues: readonly string[]): string =>
  prometheusText(queues.map(measure), {
    nowMs: 10_000,
    process: { upSeconds: 1, cpuSeconds: 1, residentBytes: 1, heapBytes: 1, version: '1' },
    server: {
      connections: { http: 1, amqp: 2 },
      disk: { syncs: syncs.view(), writtenBytes: 7 },
      folder: { usedBytes: 1, freeBytes: 2 },
      loopLagP99Ms: 3,
    },
  })
const text = page(['mail', 'orders'])
const families = [...text.matchAll(/^# TYPE (\S+) (\S+)$/gm)].map(([, name, kind]) => ({
  name: name ?? '',
  kind: kind ?? '',
}))
/** What a query may name: a histogram is three series. */
const series = new Set(
  families.flatMap(({ name, kind }) =>
    kind === 'histogram' ? ['_bucket', '_sum', '_count'].map((end) => name + end) : [name],
  ),
)

describe('the metrics', () => {
  it('are named by the conventions of Prometheus: unit last, counters in _total, help for each', () => {
    expect(families.length).toBeGreaterThan(25)
    for (const { name, kind } of families) {
      expect(text).toContain(`# HELP ${name} `)
      expect([name, name.endsWith('_total')]).toEqual([name, kind === 'counter'])
      expect(name).toMatch(/^(?:spindle|process|nodejs)_[a-z0-9_]+$/)
      expect(name).not.toMatch(/_(?:ms|milliseconds|kb|count)(?:_|$)/)
    }
  })

  it('are lines that Prometheus reads, each family in one piece', () => {
    const seen: string[] = []
    for (const line of text.trimEnd().split('\n')) {
      if (line.startsWith('# TYPE ')) seen.push(line.split(' ')[2] ?? '')
      if (line.startsWith('#')) continue
      expect(line).toMatch(/^[a-z_][a-z0-9_]*(?:\{(?:[a-z]+="(?:[^"\\\n]|\\.)*",?)+\})? -?[0-9.e+-]+$/)
      expect(line.startsWith(seen.at(-1) ?? '?')).toBe(true)
    }
    expect(new Set(seen).size).toBe(seen.length)
  })

  it('count, and put durations where they belong', () => {
    for (const line of [
      'spindle_messages{state="ready"} 4',
      'spindle_oldest_ready_age_seconds 6',
      'spindle_redeliveries_total 4',
      'spindle_queue_lease_expiries_total{queue="mail"} 1',
      'spindle_connections{protocol="amqp"} 2',
      'spindle_disk_sync_seconds_bucket{le="0.0005"} 1',
      'spindle_disk_sync_seconds_bucket{le="0.005"} 3',
      'spindle_disk_sync_seconds_bucket{le="5"} 3',
      'spindle_disk_sync_seconds_bucket{le="+Inf"} 4',
      'spindle_disk_sync_seconds_count 4',
      'spindle_queue_run_seconds_p99{queue="mail"} 0.02',
    ]) {
      expect(text.split('\n')).toContain(line)
    }
  })

  it('of single queues end at a thousand', () => {
    const many = page(Array.from({ length: 1_500 }, (_, at) => `q${at}`))
    expect(many.match(/^spindle_queue_message_bytes\{/gm)).toHaveLength(1_000)
    expect(many).toContain('spindle_queues 1500\n')
    expect(many).toContain('spindle_queues_untold 500\n')
  })

  it('stand on their page, and no other', () => {
    const listed = [...read('docs/operations/metrics.md').matchAll(/^\| `([a-z0-9_]+)[^`]*` \| (\w+) \|/gm)].map(
      ([, name, kind]) => ({ name, kind }),
    )
    expect(listed.sort((a, b) => ((a.name ?? '') < (b.name ?? '') ? -1 : 1))).toEqual(
      [...families].sort((a, b) => (a.name < b.name ? -1 : 1)),
    )
  })
})

const named = (expression: string): string[] => expression.match(/\b(?:spindle|process|nodejs)_[a-z0-9_]+/g) ?? []

describe('the dashboard', () => {
  const dashboard = JSON.parse(read('deploy/grafana/spindle.json')) as {
    readonly panels: readonly { readonly title: string; readonly targets: readonly { readonly expr: string }[] }[]
    readonly templating: { readonly list: readonly { readonly query: string }[] }
  }
  it.each(dashboard.panels)('asks for metrics that there are: $title', ({ targets }) => {
    expect(targets.length).toBeGreaterThan(0)
    for (const { expr } of targets) {
      expect(named(expr).length).toBeGreaterThan(0)
      expect(named(expr).filter((name) => !series.has(name))).toEqual([])
    }
  })
  it('lets people choose by labels that there are', () => {
    const queries = dashboard.templating.list.flatMap(({ query }) => named(query))
    expect(queries.length).toBe(2)
    expect(queries.filter((name) => !series.has(name))).toEqual([])
  })
})

interface Alert {
  readonly alert: string
  readonly expr: string
  readonly labels: { readonly severity: string }
  readonly annotations: { readonly summary: string; readonly runbook: string }
}

describe('an alert', () => {
  const { groups } = parse(read('deploy/prometheus/spindle.rules.yml')) as { groups: { rules: Alert[] }[] }
  const alerts = groups.flatMap(({ rules }) => rules)
  it.each(alerts)('asks for metrics that there are, and has a page that says what to do: $alert', (alert) => {
    expect(named(alert.expr).filter((name) => !series.has(name))).toEqual([])
    expect(['warning', 'critical']).toContain(alert.labels.severity)
    expect(alert.annotations.summary).not.toBe('')
    const runbook = read(alert.annotations.runbook)
    expect(runbook).toMatch(new RegExp(`^# ${alert.alert}\n`))
    expect(named(runbook).filter((name) => !series.has(name))).toEqual([])
  })
  it('is behind every runbook', () => {
    const pages = readdirSync(new URL('../../docs/operations/runbooks', import.meta.url)).map(
      (name) => `docs/operations/runbooks/${name}`,
    )
    expect(pages.sort()).toEqual(alerts.map(({ annotations }) => annotations.runbook).sort())
  })
})
