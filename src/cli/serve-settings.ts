/** Flags, then SPINDLE_* variables, then the configuration file, then defaults. A fault names where the value came from. */
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { extname, resolve } from 'node:path'
import { isFault } from '../model/errors.ts'
import type { TlsFiles, TlsSettings } from '../server/certificates.ts'
import { type CheckedConfig, checkConfig, type TlsConfig } from '../server/config.ts'
import { defaultServeSettings, type ServeSettings } from '../server/settings.ts'
import { loadUserModule } from './module-file.ts'
import { UsageError } from './usage.ts'

/** As commander collects them; undefined: not given. */
export interface ServeFlags {
  readonly config?: string
  readonly data?: string
  readonly engine?: string
  readonly host?: string
  readonly port?: readonly string[]
  readonly amqpPort?: string
  readonly managementPort?: string
  readonly tlsCert?: string
  readonly tlsKey?: string
  readonly tlsClientCa?: string
  readonly tlsClients?: string
  readonly insecure?: boolean
  readonly allowHost?: readonly string[]
  readonly allowOrigin?: readonly string[]
  readonly awsRegion?: string
  readonly awsAccount?: string
  readonly awsLimits?: boolean
  readonly initAdmin?: boolean
}

type Environment = Readonly<Record<string, string | undefined>>

const CONFIG_NAMES = ['spindle.config.ts', 'spindle.config.js', 'spindle.config.json']

/** Throws `UsageError` for anything that does not fit. */
export async function serveSettings(flags: ServeFlags, environment: Environment): Promise<ServeSettings> {
  const file = flags.config ?? environment['SPINDLE_CONFIG'] ?? CONFIG_NAMES.find((name) => existsSync(name))
  try {
    const layers = [flagLayer(flags), environmentLayer(environment), file === undefined ? {} : await fileLayer(file)]
    return await settingsOf(layers, {
      initAdmin: flags.initAdmin ?? isYes(environment, 'SPINDLE_INIT_ADMIN') ?? false,
      databaseUrl: environment['DATABASE_URL'],
    })
  } catch (fault) {
    if (isFault(fault, 'invalid-argument')) throw new UsageError(fault.attempted)
    throw fault
  }
}

async function settingsOf(
  layers: readonly CheckedConfig[],
  { initAdmin, databaseUrl }: { readonly initAdmin: boolean; readonly databaseUrl: string | undefined },
): Promise<ServeSettings> {
  const first = <K extends keyof CheckedConfig>(field: K): CheckedConfig[K] | undefined =>
    layers.find((layer) => layer[field] !== undefined)?.[field]
  const defaults = defaultServeSettings
  const port = first('port') ?? defaults.ports
  const tls = first('tls')
  const { queues, topics, exchanges, bindings, users } = layers.at(-1) ?? {}
  const declared = Object.entries({ queues, topics, exchanges, bindings, users }).filter(
    ([, value]) => value !== undefined,
  )
  return {
    data: storeOf(layers, databaseUrl) ?? defaults.data,
    host: first('host') ?? defaults.host,
    ports: typeof port === 'number' ? [port] : port,
    amqpPort: numberOrOff(first('amqpPort'), defaults.amqpPort),
    managementPort: numberOrOff(first('managementPort'), defaults.managementPort),
    ...(tls === undefined ? {} : { tls: await tlsSettings(tls) }),
    insecure: first('insecure') ?? defaults.insecure,
    dashboard: first('dashboard') ?? defaults.dashboard,
    allowedHosts: layers.flatMap(({ allowedHosts = [] }) => allowedHosts),
    allowedOrigins: layers.flatMap(({ allowedOrigins = [] }) => allowedOrigins),
    connectionsMax: first('connectionsMax') ?? defaults.connectionsMax,
    aws: Object.assign({}, defaults.aws, ...layers.map(({ aws }) => aws).reverse()) as ServeSettings['aws'],
    limits: { ...defaults.limits, ...first('limits') },
    declarations: Object.fromEntries(declared),
    initAdmin,
  }
}

/** The first layer that names a store says which: a folder, or a database. */
function storeOf(layers: readonly CheckedConfig[], databaseUrl: string | undefined): string | undefined {
  const layer = layers.find(({ data, engine }) => data !== undefined || engine !== undefined)
  if (layer?.engine === undefined) return layer?.data
  if (layer.data !== undefined) throw new UsageError('--data and --engine name two stores; give one of them')
  if (layer.engine === 'postgres' || layer.engine === 'postgresql') {
    if (databaseUrl !== undefined && databaseUrl !== '') return databaseUrl
    throw new UsageError('--engine postgres takes its URL from DATABASE_URL, which is not set')
  }
  if (/^postgres(ql)?:\/\//.test(layer.engine)) return layer.engine
  throw new UsageError('--engine must be postgres://… or postgres; a folder is named by --data')
}

function flagLayer(flags: ServeFlags): CheckedConfig {
  const { port, amqpPort, managementPort, tlsCert, tlsKey, tlsClientCa, tlsClients } = flags
  const { allowHost, allowOrigin, insecure } = flags
  const { data, engine, host, awsRegion, awsAccount, awsLimits } = flags
  return layerOf('flags', {
    data,
    engine,
    host,
    port: port?.map(portNumber),
    amqpPort: portNumber(amqpPort),
    managementPort: portNumber(managementPort),
    tls: tlsOf({ cert: tlsCert, key: tlsKey, clientCa: tlsClientCa, clients: tlsClients }),
    insecure,
    allowedHosts: allowHost,
    allowedOrigins: allowOrigin,
    aws: { region: awsRegion, account: awsAccount, limits: awsLimits },
  })
}

function environmentLayer(environment: Environment): CheckedConfig {
  const of = (name: string): string | undefined => (environment[name] === '' ? undefined : environment[name])
  return layerOf('SPINDLE_* variables', {
    data: of('SPINDLE_DATA'),
    engine: of('SPINDLE_ENGINE'),
    host: of('SPINDLE_HOST'),
    port: (of('SPINDLE_PORT') ?? of('PORT'))?.split(',').map(portNumber),
    amqpPort: portNumber(of('SPINDLE_AMQP_PORT')),
    managementPort: portNumber(of('SPINDLE_MANAGEMENT_PORT')),
    tls: tlsOf({
      cert: of('SPINDLE_TLS_CERT'),
      key: of('SPINDLE_TLS_KEY'),
      clientCa: of('SPINDLE_TLS_CLIENT_CA'),
      clients: of('SPINDLE_TLS_CLIENTS'),
    }),
    insecure: isYes(environment, 'SPINDLE_INSECURE'),
    allowedHosts: of('SPINDLE_ALLOWED_HOSTS')?.split(','),
    allowedOrigins: of('SPINDLE_ALLOWED_ORIGINS')?.split(','),
    aws: {
      region: of('SPINDLE_AWS_REGION'),
      account: of('SPINDLE_AWS_ACCOUNT'),
      limits: isYes(environment, 'SPINDLE_AWS_LIMITS'),
      httpSubscriptions: of('SPINDLE_SNS_HTTP'),
    },
  })
}

/** Fields that are not given must not hide those of the next layer. */
function layerOf(source: string, fields: Readonly<Record<string, unknown>>): CheckedConfig {
  return checkConfig(Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)), source)
}

async function fileLayer(file: string): Promise<CheckedConfig> {
  if (!existsSync(file)) throw new UsageError(`there is no configuration file ${file}`)
  return checkConfig(extname(file) === '.json' ? await readJson(file) : await exported(file), file)
}

async function readJson(file: string): Promise<unknown> {
  const text = await readFile(file, 'utf8')
  try {
    return JSON.parse(text)
  } catch (cause) {
    // What the parser says shows the text around the mistake, which may be a secret.
    const position = cause instanceof Error ? /position (\d+)/.exec(cause.message)?.[1] : undefined
    const line = position === undefined ? '' : ` (line ${text.slice(0, Number(position)).split('\n').length})`
    throw new UsageError(`${file} cannot be read as JSON${line}`)
  }
}

async function exported(file: string): Promise<unknown> {
  let config: unknown
  try {
    config = (await loadUserModule(file))['default']
  } catch (cause) {
    if (cause instanceof UsageError) throw cause
    throw new UsageError(`${file} cannot be loaded: ${cause instanceof Error ? cause.message : cause}`)
  }
  // A CommonJS module that a loader turned round has its exports one level down.
  const inner = typeof config === 'object' && config !== null && 'default' in config ? config.default : config
  if (inner === undefined) throw new UsageError(`${file} has no default export (export default { … })`)
  return inner
}

/** Text that is no number stays text, and is refused by the check of the field, by name. */
function portNumber(value: string | undefined): number | string | undefined {
  return value !== undefined && /^\d{1,6}$/.test(value) ? Number(value) : value
}

function tlsOf(fields: Readonly<Record<string, string | undefined>>): object | undefined {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined)
  return given.length === 0 ? undefined : Object.fromEntries(given)
}

async function tlsSettings({ cert, key, clientCa, clients }: TlsConfig): Promise<TlsSettings> {
  const read = async (): Promise<TlsFiles> => ({
    cert: await pem('tls.cert', cert),
    key: await pem('tls.key', key),
    ...(clientCa === undefined ? {} : { clientCa: await pem('tls.clientCa', clientCa) }),
  })
  return { ...(await read()), read, ...(clients === undefined ? {} : { clients }) }
}

function isYes(environment: Environment, name: string): boolean | undefined {
  const value = environment[name]
  if (value === undefined || value === '') return undefined
  if (value === '1' || value === 'true') return true
  if (value === '0' || value === 'false') return false
  throw new UsageError(`${name} must be 1 or 0`)
}

function numberOrOff(value: number | 'off' | undefined, fallback: number | null): number | null {
  if (value === undefined) return fallback
  return value === 'off' ? null : value
}

async function pem(field: string, path: string): Promise<Uint8Array> {
  try {
    return await readFile(resolve(path))
  } catch (cause) {
    throw new UsageError(`${field}: ${path} cannot be read (${cause instanceof Error ? cause.message : cause})`)
  }
}
