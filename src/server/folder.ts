/** Opens a data folder: the first process runs its engine and broker, the others join it through a socket in the folder. */
import { resolve } from 'node:path'
import { Broker } from '../broker/broker.ts'
import type { Port } from '../broker/port.ts'
import { FolderPort } from '../client/folder/folder-port.ts'
import { EmbeddedEngine } from '../engine/embedded/engine.ts'
import type { Engine } from '../engine/engine.ts'
import type { Limits } from '../model/limits.ts'
import type { Clock } from '../runtime/clock.ts'
import type { Log } from '../runtime/log.ts'
import { nodeDisk } from '../runtime/node-disk.ts'
import type { Random } from '../runtime/random.ts'

export interface FolderOptions {
  readonly clock: Clock
  readonly random: Random
  readonly log: Log
  readonly limits: Limits
  /** How long to wait for an owner that answers before `folder-busy`, ms. Default 30,000. */
  readonly busyAfterMs?: number
  /** Makes the engine, not yet open, when this process becomes the owner. Default: the embedded one on the folder's disk. */
  readonly engine?: (folder: string) => Engine
}

/**
 * Resolves once this process owns the folder and its store is recovered, or its owner has answered. The folder is
 * created when it is missing (mode 0700). What callers see when the owner changes: client/folder/folder-port.ts.
 * Rejects `folder-busy`, `corrupt`, `format-newer`, `format-older`.
 */
export function openFolder(path: string, options: FolderOptions): Promise<Port> {
  const { clock, random, log, limits, busyAfterMs, engine = embedded(options) } = options
  const folder = resolve(path)
  const openStore = async (): Promise<Port> => {
    const broker = new Broker({ engine: engine(folder), clock, log, limits })
    await broker.start()
    return broker
  }
  const patience = busyAfterMs === undefined ? {} : { busyAfterMs }
  return FolderPort.open({ folder, openStore, clock, random, log, ...patience })
}

function embedded({ clock, random, limits, log }: FolderOptions): (folder: string) => Engine {
  return (folder) => new EmbeddedEngine({ disk: nodeDisk(folder), clock, random, limits, log })
}
