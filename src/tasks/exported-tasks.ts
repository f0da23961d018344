import { isTask } from './define.ts'
import type { AnyTask } from './types.ts'

/** Every task that a module exports, by whatever name, also within an exported array or object. */
export function exportedTasks(module: Readonly<Record<string, unknown>>): AnyTask[] {
  const found = new Set<AnyTask>()
  for (const exported of Object.values(module)) {
    const nested = typeof exported === 'object' && exported !== null && !isTask(exported) ? Object.values(exported) : []
    for (const value of [exported, ...nested]) if (isTask(value)) found.add(value)
  }
  return [...found]
}
