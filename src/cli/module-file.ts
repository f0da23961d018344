import { loadModule, ModuleMissing } from '../runtime/load-module.ts'
import { UsageError } from './usage.ts'

/** What a module of the user's exports. Throws `UsageError`: there is no such file, or it is TypeScript and nothing here can load that. */
export async function loadUserModule(file: string): Promise<Record<string, unknown>> {
  try {
    return await loadModule(file)
  } catch (fault) {
    if (fault instanceof ModuleMissing) throw new UsageError(fault.message)
    throw fault
  }
}
