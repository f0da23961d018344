/** Task definitions out of the user's own modules. */
import { exportedTasks } from '../tasks/exported-tasks.ts'
import type { AnyTask } from '../tasks/types.ts'
import { loadUserModule, ModuleBroken } from './module-file.ts'
import { UsageError } from './usage.ts'

/** Every task that the files export, by whatever name, also within an exported array or object. */
export async function tasksOfFiles(files: readonly string[]): Promise<AnyTask[]> {
  const tasks = new Map<string, { readonly task: AnyTask; readonly file: string }>()
  for (const file of files) {
    const found = exportedTasks(await loadTaskFile(file))
    if (found.length === 0) throw new UsageError(`${file} exports no task (export const mail = task('mail', { … }))`)
    for (const task of found) {
      const other = tasks.get(task.name)
      if (other !== undefined && other.task !== task) {
        throw new UsageError(`'${task.name}' is defined twice: in ${other.file} and in ${file}`)
      }
      tasks.set(task.name, { task, file })
    }
  }
  return [...tasks.values()].map(({ task }) => task)
}

async function loadTaskFile(file: string): Promise<Record<string, unknown>> {
  try {
    return await loadUserModule(file)
  } catch (fault) {
    throw fault instanceof UsageError ? fault : new ModuleBroken(file, fault)
  }
}
