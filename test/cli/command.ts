import { type ChildProcess, type ChildProcessByStdio, spawn } from 'node:child_process'
import type { Readable, Writable } from 'node:stream'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const main = fileURLToPath(new URL('../../src/cli/main.ts', import.meta.url))
export const fixture = (name: string): string => fileURLToPath(new URL(`fixtures/${name}`, import.meta.url))

export interface Command {
  readonly child: ChildProcess
  /** Everything it printed so far. */
  output(): string
  errors(): string
  /** Resolves when a line of output matches. Rejects when the command ends before. */
  printed(pattern: RegExp): Promise<string>
  readonly exited: Promise<number | null>
}

/** The real command in a process of its own, from source. */
export function spindle(
  args: readonly string[],
  options: { readonly cwd?: string; readonly env?: NodeJS.ProcessEnv; readonly input?: string } = {},
): Command {
  const tsx = fileURLToPath(import.meta.resolve('tsx'))
  const child = spawn(process.execPath, ['--import', tsx, main, ...args], {
    cwd: options.cwd ?? root,
    env: { ...process.env, NODE_NO_WARNINGS: '1', ...options.env },
    stdio: [options.input === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  }) as ChildProcessByStdio<Writable | null, Readable, Readable>
  child.stdin?.end(options.input)
  let output = ''
  let errors = ''
  const waiting = new Set<() => void>()
  child.stdout.on('data', (chunk: Buffer) => {
    output += chunk
    for (const look of waiting) look()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    errors += chunk
  })
  const exited = new Promise<number | null>((resolve) => child.on('close', resolve))
  return {
    child,
    exited,
    output: () => output,
    errors: () => errors,
    printed: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const line = output.split('\n').find((one) => pattern.test(one))
          if (line === undefined) return
          waiting.delete(look)
          resolve(line)
        }
        waiting.add(look)
        look()
        void exited.then(() => reject(new Error(`it ended without printing ${pattern}:\n${output}\n${errors}`)))
      }),
  }
}
