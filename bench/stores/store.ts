/** What every store under comparison does: many small bodies in, in groups; out again in order, and away. */
import { createRequire } from 'node:module'

export interface Store {
  /** Resolves once all of them are on stable storage. */
  put(bodies: readonly Uint8Array[]): Promise<void>
  /** Takes the first `max` in order and removes them, durably. Resolves to how many there were. Absent where there is no taking out. */
  readonly take?: (max: number) => Promise<number>
  close(): Promise<void>
}

export interface Candidate {
  readonly name: string
  /** What put and take do here, for the reader of the table. */
  readonly does: string
  /** Package to install first. */
  readonly peer?: { readonly package: string; readonly version: string }
  /** `peers`: the folder below which each peer is installed, in one of its own. */
  open(folder: string, peers: string): Promise<Store>
}

export function peerFolder(peers: string, name: string): string {
  return `${peers}/${name}`
}

export function requirePeer(peers: string, name: string): unknown {
  return createRequire(`${peerFolder(peers, name)}/package.json`)(name)
}
