import { loadModule, ModuleMissing } from '../runtime/load-module.ts'
import { UsageError } from './usage.ts'

/** A module of the user's that throws, or is no JavaScript. */
export class ModuleBroken extends Error {
  constructor(file: string, cause: unknown) {
    const { name, message, stack = '' } = cause instanceof Error ? cause : new Error(String(cause))
    // Where in the user's own code; how it was loaded helps nobody.
    const places = stack.split('\n').filter((line) => /^\s+at .*file:/.test(line) && !line.includes(OWN_FOLDER))
    super([`${file} could not be loaded (${name}: ${message})`, ...places].join('\n'), { cause })
  }
}

const OWN_FOLDER = new URL('..', import.meta.url).href

/** What a module of the user's exports. Throws `UsageError`: there is no such file, or it is TypeScript and nothing here can load that. */
export async function loadUserModule(file: string): Promise<Record<string, unknown>> {
  try {
    return await loadModule(file)
  } catch (fault) {
    if (fault instanceof ModuleMissing) throw new UsageError(fault.message)
    throw fault
  }
}
