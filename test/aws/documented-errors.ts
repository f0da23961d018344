/** What the SDK's own documentation says that each action may throw, held beside what the tests make each action throw. */
import { readdirSync, readFileSync } from 'node:fs'
import { expect } from 'vitest'

/** Action -> exception classes, without the general one of the service. */
export function documentedErrors(client: 'sqs' | 'sns'): ReadonlyMap<string, readonly string[]> {
  const folder = new URL(`../../node_modules/@aws-sdk/client-${client}/dist-types/commands/`, import.meta.url)
  const found = new Map<string, readonly string[]>()
  for (const file of readdirSync(folder)) {
    const action = /^(\w+)Command\.d\.ts$/.exec(file)?.[1]
    if (action === undefined) continue
    const text = readFileSync(new URL(file, folder), 'utf8')
    const classes = [...text.matchAll(/@throws \{@link (\w+)\} \((?:client|server) fault\)/g)].map(
      ([, name = '']) => name,
    )
    found.set(action, classes)
  }
  return found
}

/** A class that no action throws here, or none but those `except`. */
export interface Never {
  readonly because: string
  readonly except?: readonly string[]
}

/** Every documented pair has a row, or a reason why it never happens; no reason is there for nothing. */
export function expectEachPairOnce(
  client: 'sqs' | 'sns',
  rows: readonly (readonly [action: string, exception: string, ...rest: unknown[]])[],
  never: { readonly classes: Readonly<Record<string, Never>>; readonly pairs?: Readonly<Record<string, string>> },
): void {
  const { classes, pairs = {} } = never
  const tested = new Set(rows.map(([action, exception]) => `${action} ${exception}`))
  const documented = new Set<string>()
  const excused = new Set(Object.keys(pairs))
  for (const [action, exceptions] of documentedErrors(client)) {
    for (const exception of exceptions) {
      documented.add(`${action} ${exception}`)
      const reason = classes[exception]
      if (reason !== undefined && reason.except?.includes(action) !== true) excused.add(`${action} ${exception}`)
    }
  }
  expect(documented.size).toBeGreaterThan(100)
  expect([...documented].filter((pair) => !tested.has(pair) && !excused.has(pair))).toEqual([])
  expect([...excused].filter((pair) => tested.has(pair) || !documented.has(pair))).toEqual([])
  const known = [...documented].map((pair) => pair.split(' ')[1])
  expect(Object.keys(classes).filter((name) => !known.includes(name))).toEqual([])
}
