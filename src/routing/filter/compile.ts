/** A filter policy, judged before, as a test of messages. Every key must pass; a key passes when one of its conditions does. */
import type { Filter } from '../exchange.ts'
import type { RoutedMessage } from '../routed-message.ts'
import { type Leaf, LeafTest } from './leaf-test.ts'

export type FilterTest = (message: RoutedMessage) => boolean

/**
 * Scope `headers`: the headers by name (what SNS calls message attributes); a list of values passes when one of them does.
 * Scope `body`: the body as a JSON object, and the objects in it; in an array one element must pass all that the policy says below
 * its key. Anything else passes no policy but the empty one.
 */
export function compileFilter({ scope, policy }: Filter): FilterTest {
  const test = compileObject(policy)
  if (scope === 'headers') return (message) => test(message.filterable)
  return (message) => {
    const { body } = message
    return isObject(body) && test(body)
  }
}

type ObjectTest = (value: Readonly<Record<string, unknown>>) => boolean

function compileObject(policy: object): ObjectTest {
  const tests = Object.entries(policy).map(([key, value]): ObjectTest => {
    if (key === '$or' && Array.isArray(value)) {
      const branches = (value as object[]).map(compileObject)
      return (object) => branches.some((branch) => branch(object))
    }
    return Array.isArray(value) ? compileKey(key, value) : compileNested(key, value as object)
  })
  return (object) => tests.every((test) => test(object))
}

function compileKey(key: string, conditions: readonly unknown[]): ObjectTest {
  const test = new LeafTest(conditions)
  return (object) => {
    const value = Object.hasOwn(object, key) ? object[key] : undefined
    if (isLeaf(value)) return test.passes(value)
    let any = false
    const passes = (leaf: unknown): boolean => {
      if (!isLeaf(leaf)) return false
      any = true
      return test.passes(leaf)
    }
    if (Array.isArray(value) && someElement(value, passes)) return true
    // An object, and a list without a value, are no value.
    return !any && test.passesAbsent
  }
}

function compileNested(key: string, policy: object): ObjectTest {
  const test = compileObject(policy)
  return (object) => {
    const value = Object.hasOwn(object, key) ? object[key] : undefined
    if (Array.isArray(value)) return someElement(value, (element) => isObject(element) && test(element))
    // Whatever must not exist in it does not exist in what is not there.
    return test(isObject(value) ? value : NOTHING)
  }
}

const NOTHING: Readonly<Record<string, unknown>> = Object.freeze(Object.create(null))

/** Of the elements, and those of arrays within; by a stack of its own, since a body may nest deeper than calls may. */
function someElement(array: readonly unknown[], holds: (element: unknown) => boolean): boolean {
  const waiting = [array]
  for (let next = waiting.pop(); next !== undefined; next = waiting.pop()) {
    for (const element of next) {
      if (Array.isArray(element)) waiting.push(element)
      else if (holds(element)) return true
    }
  }
  return false
}

function isLeaf(value: unknown): value is Leaf {
  return value === null || typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean'
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
