import { spawnSync } from 'node:child_process'
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { prometheusText } from '../../src/frontends/admin/metrics.ts'
import { startSpindleContainer } from '../../src/testing/container.ts'
import { renderChart } from './chart.ts'

const at = (path: string): URL => new URL(`../../${path}`, import.meta.url)
const read = (path: string): string => readFileSync(at(path), 'utf8')

/** The longest that a stop may take: the drain, and a little. */
const STOP_SECONDS_MIN = 26
const sources = ['src/cli/serve-settings.ts', 'src/cli/commands/serve.ts', 'src/cli/commands/health.ts']
  .map(read)
  .join('\n')
const unknownVariables = (names: readonly string[]): string[] =>
  names.filter((name) => name.startsWith('SPINDLE_') && !sources.includes(`'${name}'`))

describe('the image', () => {
  const lines = read('Dockerfile')
    .replaceAll('\\\n', ' ')
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
  const last = lines.slice(lines.findLastIndex((line) => line.startsWith('FROM ')))
  const rest = (instruction: string): string[] =>
    last.filter((line) => line.startsWith(`${instruction} `)).map((line) => line.slice(instruction.length + 1))

  it('runs as nobody, without a shell, with data of its own', () => {
    expect(last[0]).toMatch(/^FROM gcr\.io\/distroless\/nodejs20-debian12:nonroot$/)
    expect(lines.filter((line) => /^FROM /.test(line)).every((line) => !line.includes(':latest'))).toBe(true)
    expect(rest('VOLUME')).toEqual(['/data'])
    expect(rest('COPY').find((line) => line.endsWith(' /data'))).toMatch(/--chown=65532:65532/)
    expect(rest('RUN')).toEqual([])
  })

  it('starts, checks and stops the command by itself: exec forms, whose signals arrive', () => {
    const command = JSON.parse(rest('ENTRYPOINT')[0] ?? '') as string[]
    expect(command).toEqual(['/nodejs/bin/node', '/app/dist/cli/main.js'])
    expect(JSON.parse(rest('CMD')[0] ?? '')).toEqual(['serve'])
    const [check = ''] = rest('HEALTHCHECK')
    expect(JSON.parse(check.slice(check.indexOf('['), check.lastIndexOf(']') + 1))).toEqual([...command, 'health'])
    expect(rest('STOPSIGNAL')).toEqual(['SIGTERM'])
    const variables = [...(rest('ENV')[0] ?? '').matchAll(/(\w+)=/g)].map(([, name]) => name ?? '')
    expect(unknownVariables(variables)).toEqual([])
  })

  it('is built from what the context lets in, and nothing else', () => {
    const allowed = read('.dockerignore')
      .split('\n')
      .filter((line) => line.startsWith('!'))
      .map((line) => line.slice(1))
    expect(read('.dockerignore').split('\n')[0]).toBe('*')
    for (const needed of ['package.json', 'package-lock.json', 'tsconfig.build.json', 'scripts', 'src']) {
      expect(allowed).toContain(needed)
      expect(existsSync(at(needed))).toBe(true)
    }
    expect(lines.find((line) => line.includes('npm ci'))).toContain('--ignore-scripts')
  })
})

interface Compose {
  readonly services: {
    readonly spindle: {
      readonly environment: Readonly<Record<string, string>>
      readonly ports: readonly string[]
      readonly volumes: readonly string[]
      readonly stop_grace_period: string
      readonly read_only?: boolean
      readonly cap_drop?: readonly string[]
      readonly security_opt?: readonly string[]
      readonly secrets?: readonly string[]
    }
  }
  readonly secrets?: Readonly<Record<string, unknown>>
}

describe('compose', () => {
  it.each(['development', 'production'])(
    'for %s knows its variables, keeps its data and lets requests finish',
    (name) => {
      const { spindle } = (parse(read(`deploy/compose/${name}.yml`)) as Compose).services
      expect(unknownVariables(Object.keys(spindle.environment))).toEqual([])
      expect(spindle.volumes).toContain('data:/data')
      expect(Number.parseInt(spindle.stop_grace_period, 10)).toBeGreaterThanOrEqual(STOP_SECONDS_MIN)
    },
  )

  it('for development is open to this machine alone', () => {
    const { spindle } = (parse(read('deploy/compose/development.yml')) as Compose).services
    expect(spindle.environment['SPINDLE_INSECURE']).toBe('1')
    expect(spindle.ports.length).toBeGreaterThan(1)
    expect(spindle.ports.filter((port) => !port.startsWith('127.0.0.1:'))).toEqual([])
  })

  it('for production asks for users and TLS, and can do nothing else', () => {
    const { services, secrets } = parse(read('deploy/compose/production.yml')) as Compose
    const { spindle } = services
    expect(Object.keys(spindle.environment)).not.toContain('SPINDLE_INSECURE')
    expect(spindle.environment).toMatchObject({ SPINDLE_INIT_ADMIN: '1', SPINDLE_TLS_CERT: '/run/secrets/tls-cert' })
    expect([...(spindle.secrets ?? [])].sort()).toEqual(Object.keys(secrets ?? {}).sort())
    expect(spindle).toMatchObject({ read_only: true, cap_drop: ['ALL'], security_opt: ['no-new-privileges:true'] })
  })
})

describe('the unit of systemd', () => {
  const unit = read('deploy/systemd/spindle.service')
  const value = (name: string): string => new RegExp(`^${name}=(.*)$`, 'm').exec(unit)?.[1] ?? ''

  it('waits for the word, lets requests finish and starts again after a failure', () => {
    expect([value('Type'), value('NotifyAccess')]).toEqual(['notify', 'all'])
    expect(Number(value('TimeoutStopSec'))).toBeGreaterThanOrEqual(STOP_SECONDS_MIN)
    expect([value('Restart'), value('SuccessExitStatus')]).toEqual(['on-failure', '143 130'])
    expect(value('ExecReload')).toMatch(/-HUP/)
    expect(unknownVariables([...value('Environment').matchAll(/(\w+)=/g)].map(([, name]) => name ?? ''))).toEqual([])
  })

  const analyze = spawnSync('systemd-analyze', ['--version']).status === 0
  it.skipIf(!analyze)('is one that systemd takes (needs systemd-analyze)', () => {
    const { stdout, stderr } = spawnSync('systemd-analyze', ['verify', at('deploy/systemd/spindle.service').pathname], {
      encoding: 'utf8',
    })
    // The user of another machine, and what systemd says of itself in a container, are no faults of the unit.
    const complaints = `${stdout}${stderr}`.split('\n').filter((line) => line.includes('spindle.service'))
    expect(complaints.filter((line) => /Unknown|Failed to parse|Invalid|ignoring/i.test(line))).toEqual([])
  })
})

describe('the chart', () => {
  const values = parse(read('deploy/helm/spindle/values.yaml')) as Record<string, unknown>
  const templates = readdirSync(at('deploy/helm/spindle/templates'))
  const rendered = (changes: object): Record<string, unknown>[] =>
    templates
      .map((name) => renderChart(read(`deploy/helm/spindle/templates/${name}`), { ...values, ...changes }, 'queue'))
      .filter((text) => text.trim() !== '')
      .map((text) => parse(text) as Record<string, unknown>)
  const kind = (documents: readonly Record<string, unknown>[], wanted: string): unknown =>
    documents.find((document) => document['kind'] === wanted)
  interface Pod {
    readonly spec: {
      readonly template: {
        readonly spec: { readonly terminationGracePeriodSeconds: number; readonly containers: readonly Container[] }
      }
    }
  }
  interface Container {
    readonly env: readonly { readonly name: string; readonly value: string }[]
    readonly ports: readonly { readonly name: string }[]
    readonly volumeMounts: readonly { readonly name: string }[]
    readonly readinessProbe: { readonly httpGet: { readonly path: string; readonly scheme: string } }
  }
  const container = (changes: object): Container =>
    (kind(rendered(changes), 'StatefulSet') as Pod).spec.template.spec.containers[0] as Container

  it('runs one owner of the folder, as nobody, with probes, and lets requests finish', () => {
    const set = kind(rendered({ insecure: true }), 'StatefulSet') as Pod
    expect(set).toMatchObject({
      apiVersion: 'apps/v1',
      metadata: { name: 'queue' },
      spec: {
        replicas: 1,
        template: {
          spec: {
            securityContext: { runAsNonRoot: true },
            containers: [
              {
                args: ['serve'],
                startupProbe: { httpGet: { path: '/healthz' } },
                livenessProbe: { httpGet: { path: '/healthz' } },
                readinessProbe: { httpGet: { path: '/readyz', port: 'http', scheme: 'HTTP' } },
                securityContext: { readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } },
                resources: { limits: { memory: '2Gi' } },
              },
            ],
          },
        },
        volumeClaimTemplates: [{ spec: { resources: { requests: { storage: '20Gi' } } } }],
      },
    })
    expect(set.spec.template.spec.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(STOP_SECONDS_MIN)
    expect(unknownVariables(container({}).env.map(({ name }) => name))).toEqual([])
  })

  it('with a certificate speaks TLS everywhere, and is not insecure', () => {
    const { env, readinessProbe, volumeMounts } = container({ tls: { secretName: 'cert' } })
    const names = env.map(({ name }) => name)
    expect(names).toContain('SPINDLE_TLS_CERT')
    expect(names).not.toContain('SPINDLE_INSECURE')
    expect(readinessProbe.httpGet.scheme).toBe('HTTPS')
    expect(volumeMounts.map(({ name }) => name)).toEqual(['data', 'tmp', 'tls'])
  })

  it('has a service, and a monitor where one is wanted', () => {
    expect(
      rendered({})
        .map((document) => document['kind'])
        .sort(),
    ).toEqual(['Service', 'StatefulSet'])
    const all = rendered({ managementPort: true, serviceMonitor: { enabled: true, tokenSecretName: 't' } })
    expect(all.map((document) => document['kind']).sort()).toEqual(['Service', 'ServiceMonitor', 'StatefulSet'])
    expect(kind(all, 'Service')).toMatchObject({ spec: { ports: [{ port: 4566 }, { port: 5672 }, { port: 15672 }] } })
  })

  it('has an example for KEDA, which asks for metrics that there are', () => {
    const { spec } = parse(read('deploy/helm/examples/keda-scaledobject.yaml')) as {
      spec: { triggers: { metadata: { query: string } }[] }
    }
    const server = { connections: {}, disk: null, folder: null, loopLagP99Ms: 0 }
    const process = { upSeconds: 1, cpuSeconds: 1, residentBytes: 1, heapBytes: 1, version: '1' }
    const text = prometheusText([], { nowMs: 0, process, server })
    expect(spec.triggers.length).toBe(2)
    for (const { metadata } of spec.triggers) {
      const [name = ''] = /spindle_\w+/.exec(metadata.query) ?? []
      expect(text).toContain(`# TYPE ${name} `)
    }
  })
})

describe('a container for tests', () => {
  it('waits for the store, and tells where the ports are (Testcontainers and its engine replaced: none runs here)', async () => {
    const told: unknown[] = []
    class GenericContainer {
      constructor(image: string) {
        told.push(image)
      }
      withEnvironment(environment: Record<string, string>): this {
        told.push(environment)
        return this
      }
      withExposedPorts(...ports: number[]): this {
        told.push(ports)
        return this
      }
      withWaitStrategy(strategy: string): this {
        told.push(strategy)
        return this
      }
      async start() {
        return {
          getHost: () => 'localhost',
          getMappedPort: (port: number) => port + 30_000,
          stop: async () => told.push('stopped'),
        }
      }
    }
    const Wait = { forHttp: (path: string, port: number) => `${path} on ${port}` }
    const container = await startSpindleContainer({ GenericContainer, Wait } as never, {
      environment: { SPINDLE_AWS_LIMITS: '1' },
    })
    expect([container.url, container.amqpUrl]).toEqual(['http://localhost:34566', 'amqp://localhost:35672'])
    await container.stop()
    const environment = { SPINDLE_INSECURE: '1', SPINDLE_DATA: 'memory:', SPINDLE_AWS_LIMITS: '1' }
    expect(told).toEqual(['spindle-mq:latest', environment, [4566, 5672], '/readyz on 4566', 'stopped'])
    expect(unknownVariables(Object.keys(environment))).toEqual([])
  })
})
