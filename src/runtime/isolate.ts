/**
 * Code that runs beside this process's event loop: a worker thread, or a process of its own. Both sides see one
 * interface: values go over (structured clone) and come back, and the end is told once, with its cause.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import process from 'node:process'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { parentPort, Worker, workerData } from 'node:worker_threads'

export type IsolateKind = 'thread' | 'process'

export type IsolateEnd =
  /** Including `process.exit` in the code it runs. */
  | { readonly kind: 'exited'; readonly code: number }
  | { readonly kind: 'killed'; readonly signal: string }
  | { readonly kind: 'outOfMemory' }
  /** An exception that nobody caught, or it could not be started. */
  | { readonly kind: 'crashed'; readonly error: unknown }

export interface IsolateParts {
  readonly kind: IsolateKind
  /** The module that it runs; its other side is `connectHost`. */
  readonly entry: URL
  /** Handed to it at once. */
  readonly data: unknown
  /** Heap it may use, MiB. Default: Node's. */
  readonly memoryMbMax: number | undefined
  readonly message: (value: unknown) => void
  readonly ended: (end: IsolateEnd) => void
}

export interface Isolate {
  /** Throws what cannot be cloned. Nothing happens once it has ended. */
  post(value: unknown): void
  /** Whether it keeps this process alive. At first it does not. */
  hold(busy: boolean): void
  /** Ends it, whatever it is doing. */
  terminate(): void
}

export function startIsolate(parts: IsolateParts): Isolate {
  return parts.kind === 'thread' ? startThread(parts) : startProcess(parts)
}

function startThread({ entry, data, memoryMbMax, message, ended }: IsolateParts): Isolate {
  const fromSource = isSource(entry)
  const worker = new Worker(fromSource ? bootstrap(entry) : entry, {
    workerData: data,
    eval: fromSource,
    execArgv: [],
    ...(memoryMbMax === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: memoryMbMax } }),
  })
  const end = once(ended)
  worker.on('message', message)
  worker.on('error', (error: NodeJS.ErrnoException) => {
    end(error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? { kind: 'outOfMemory' } : { kind: 'crashed', error })
  })
  worker.on('exit', (code) => end({ kind: 'exited', code }))
  worker.unref()
  return {
    post: (value) => worker.postMessage(value),
    hold: (busy) => (busy ? worker.ref() : worker.unref()),
    terminate: () => {
      void worker.terminate()
    },
  }
}

function startProcess({ entry, data, memoryMbMax, message, ended }: IsolateParts): Isolate {
  const limit = memoryMbMax === undefined ? [] : [`--max-old-space-size=${memoryMbMax}`]
  const child = fork(fileURLToPath(entry), [], {
    execArgv: [...(isSource(entry) ? ['--import', loaderFile('loader.mjs')] : []), ...limit],
    serialization: 'advanced',
    stdio: ['ignore', 'inherit', 'pipe', 'ipc'],
  })
  let outOfMemory = false
  child.stderr?.on('data', (chunk: Buffer) => {
    if (chunk.includes('heap out of memory')) outOfMemory = true
    process.stderr.write(chunk)
  })
  const end = once(ended)
  child.on('message', message)
  child.on('error', (error) => end({ kind: 'crashed', error }))
  // `close` comes after the last of stderr, which says whether memory was the cause.
  child.on('close', (code, signal) => {
    if (outOfMemory) end({ kind: 'outOfMemory' })
    else end(signal === null ? { kind: 'exited', code: code ?? 0 } : { kind: 'killed', signal })
  })
  post(child, { data })
  const hold = (busy: boolean): void => {
    if (busy) child.ref()
    else child.unref()
    if (busy) child.channel?.ref()
    else child.channel?.unref()
  }
  hold(false)
  return { post: (value) => post(child, { value }), hold, terminate: () => child.kill('SIGKILL') }
}

/** A channel that just closed is no fault: the end is told by itself. */
function post(child: ChildProcess, envelope: Envelope): void {
  if (child.connected) child.send(envelope, () => {})
}

type Envelope = { readonly data: unknown } | { readonly value: unknown }

function once(tell: (end: IsolateEnd) => void): (end: IsolateEnd) => void {
  let told = false
  return (end) => {
    if (told) return
    told = true
    tell(end)
  }
}

/** Run from source, the entry is TypeScript, and its new thread or process knows no loader yet. */
function isSource(entry: URL): boolean {
  return entry.pathname.endsWith('.ts')
}

function loaderFile(name: string): string {
  const manifest = createRequire(import.meta.url).resolve('tsx/package.json')
  return pathToFileURL(join(dirname(manifest), 'dist', name)).href
}

/** Threads of Node 20 do not heed `--import`. */
function bootstrap(entry: URL): string {
  const api = JSON.stringify(loaderFile('esm/api/index.mjs'))
  return `import(${api}).then(({ register }) => { register(); return import(${JSON.stringify(entry.href)}) })`
}

/** The other side, for the entry of an isolate. */
export interface IsolateHost {
  readonly data: unknown
  post(value: unknown): void
}

/** Resolves once the isolate's data is there. `message` hears what the host posts. A process ends when its host does. */
export function connectHost(message: (value: unknown) => void): Promise<IsolateHost> {
  const port = parentPort
  if (port !== null) {
    port.on('message', message)
    return Promise.resolve({ data: workerData as unknown, post: (value) => port.postMessage(value) })
  }
  process.on('disconnect', () => process.exit(0))
  // The host's terminal sends these to its whole group; the host decides when this process ends.
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGTSTP'] as const) process.on(signal, () => {})
  return new Promise((resolve) => {
    process.on('message', (envelope: Envelope) => {
      if ('data' in envelope) resolve({ data: envelope.data, post: (value) => process.send?.(value) })
      else message(envelope.value)
    })
  })
}
