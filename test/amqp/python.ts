/** Debian's Python with its AMQP clients, where it is installed. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { onTestFinished } from 'vitest'

const PYTHON = '/usr/bin/python3'

/** undefined, or why tests with this module are skipped. */
export function missing(module: string): string | undefined {
  const isThere = spawnSync(PYTHON, ['-c', `import ${module}`]).status === 0
  return isThere ? undefined : `skipped: ${PYTHON} with ${module} is not installed here`
}

/** Runs a program and resolves to what it printed, line by line. Rejects with its traceback. */
export function python(program: string, ...args: string[]): Promise<string[]> {
  const child = started(program, args)
  let [printed, complaints] = ['', '']
  child.stdout?.on('data', (chunk) => {
    printed += String(chunk)
  })
  child.stderr?.on('data', (chunk) => {
    complaints += String(chunk)
  })
  return new Promise((resolve, reject) => {
    child.once('exit', (code) => {
      if (code === 0) resolve(printed.trim().split('\n'))
      else reject(new Error(`python ended with ${code}\n${printed}\n${complaints}`))
    })
  })
}

/** A program that goes on until the test ends; resolves once it has printed `ready`. */
export function running(program: string, args: readonly string[], ready: string, cwd?: string): Promise<ChildProcess> {
  const child = started(program, args, cwd)
  let printed = ''
  return new Promise((resolve, reject) => {
    const heard = (chunk: unknown): void => {
      printed += String(chunk)
      if (printed.includes(ready)) resolve(child)
    }
    child.stdout?.on('data', heard)
    child.stderr?.on('data', heard)
    child.once('exit', (code) => reject(new Error(`python ended with ${code}\n${printed}`)))
  })
}

function started(program: string, args: readonly string[], cwd?: string): ChildProcess {
  const child = spawn(PYTHON, ['-c', program, ...args], {
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1' },
    ...(cwd === undefined ? {} : { cwd }),
  })
  onTestFinished(async () => {
    if (child.exitCode !== null || child.signalCode !== null) return
    const gone = new Promise((resolve) => child.once('exit', resolve))
    child.kill('SIGKILL')
    await gone
  })
  return child
}
