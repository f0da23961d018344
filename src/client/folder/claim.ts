/**
 * Who owns a folder, among any number of processes that come and go.
 *
 *     <folder>/owner/17             the claim of generation 17: a small JSON file, never changed but to say `closed`
 *     <folder>/owner/<16 hex>.sock  the socket on which its claimant listens
 *
 * The highest generation is the owner. It is alive while somebody listens on its socket: the kernel closes that
 * with the process, so that a kill -9 shows at once, a stopped process counts as alive, and a pid that somebody
 * else has by now means nothing. There are no timeouts and no clocks in it, so no pause can make two owners.
 *
 * To become the owner: listen on a socket of one's own; find the highest claim n closed or dead; create claim
 * n + 1 by link(2), which is atomic, fails if it exists, and shows the file only complete; list again, and step back
 * if a higher claim is there.
 *
 * Races, and why they end well:
 * - Two see the same dead owner n. One link succeeds; the other fails, looks again and finds n + 1 alive, because its
 *   claimant listened before it claimed.
 * - A claimant dies right after its link. Its socket is dead, so the next one claims n + 2.
 * - A slow candidate found n dead, slept, and creates n + 1 after n + 1 … n + 5 came and n + 1 was cleaned up. It lists again,
 *   sees n + 5 and steps back; its stale claim is not the highest, so nobody looks at it. Only claims below n - 3 are
 *   removed, by the owner of n, so the highest one is always there to be seen.
 * - The slow candidate's second listing misses n + 5, because that went and others came while it listed: it misses n, too,
 *   which it saw before and which went first. A claim counts only while its predecessor is there.
 * - Somebody connects to a claimant that is not the owner yet, or steps back: connections are held unanswered until it
 *   knows, then served or ended; whoever was ended looks again.
 * - The old owner writes on after it seemed dead? Its sockets close only once all of its threads are out of the
 *   kernel, and a graceful one closes the store first.
 * - A folder that was copied or restored while an owner lived: the name of the socket leads into the copy, where nobody
 *   listens. A socket outside (long paths) is believed only if the claim's folder is this very folder.
 * - The temporary folder is swept while an owner with a socket there lives: the claim tells process and start time, where
 *   the system shows them; if just that process lives, the folder is busy rather than free.
 *
 * Not covered: network file systems, where sockets of other hosts look dead.
 */
import { link, mkdir, readdir, readFile, rename, stat, unlink, writeFile } from 'node:fs/promises'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import { SpindleError } from '../../model/errors.ts'
import { processIdentity } from '../../runtime/process-identity.ts'
import type { Random } from '../../runtime/random.ts'
import { dial, FolderSocket, removeDeadSocket, SOCKET_NAME, socketPath } from './socket.ts'

const CLAIM_VERSION = 1
/** Claims kept below the current one, so that a slow candidate meets a higher one. */
const KEPT_CLAIMS = 3
/** Files that no claim names are removed only when they are this old, ms: somebody may be about to claim. */
const ORPHAN_AGE_MS = 3_600_000

export interface Claim {
  readonly version: number
  /** A name within the directory of claims, or an absolute path. */
  readonly socket: string
  /** The claimant's name as a holder of leases. */
  readonly holder: string
  /** For people, and for the case that the socket's file is gone. */
  readonly process: string
  /** Device and inode of the folder it was made in. */
  readonly folder: string
  /** Its claimant let go of the store in peace. */
  readonly closed?: boolean
}

export interface Owned {
  readonly kind: 'owned'
  readonly generation: number
  readonly listener: FolderSocket
  /** The owner before, if it went without letting go: its leases may end. */
  readonly deadHolder: string | undefined
  /** Marks the claim closed, so that the next one need not ask; then stops listening. */
  letGo(): Promise<void>
}

export type Found =
  | Owned
  | { readonly kind: 'joined'; readonly generation: number; readonly socket: Socket }
  /** Cannot be told now: look again in a moment. */
  | { readonly kind: 'unsettled' }

/** Finds the owner, or becomes it. Rejects `folder-busy` and `format-newer`, and with what the file system says. */
export async function findOrClaim(folder: string, parts: { holder: string; random: Random }): Promise<Found> {
  const directory = join(folder, 'owner')
  // Only what is created here gets the mode: an existing folder is its owner's business.
  await mkdir(folder, { recursive: true, mode: 0o700 })
  await mkdir(directory, { recursive: true, mode: 0o700 })
  const identity = await folderIdentity(folder)
  const before = await highestClaim(directory)
  if (before === 'changing') return { kind: 'unsettled' }
  let deadHolder: string | undefined
  if (before !== undefined && before.claim?.closed !== true) {
    const dialled = await dialClaimant(folder, directory, identity, before)
    if (dialled.kind === 'connected') return { kind: 'joined', generation: before.generation, socket: dialled.socket }
    if (dialled.kind === 'busy') return { kind: 'unsettled' }
    // Its own name: an earlier attempt of this process. Its leases are alive.
    if (before.claim?.holder !== parts.holder) deadHolder = before.claim?.holder
  }

  const generation = (before?.generation ?? 0) + 1
  const listener = await FolderSocket.open(directory, `${hex(parts.random)}.sock`)
  let letGo = (): Promise<void> => listener.close()
  try {
    const claim: Claim = {
      version: CLAIM_VERSION,
      socket: listener.address,
      holder: parts.holder,
      process: await processIdentity(process.pid),
      folder: identity,
    }
    const made = await createClaim(directory, generation, claim, parts.random)
    if (made) {
      letGo = async () => {
        await replaceClaim(directory, generation, { ...claim, closed: true }, parts.random).catch(() => {})
        await listener.close()
      }
    }
    if (!made || !(await stands(directory, generation, before?.generation))) {
      await listener.close()
      return { kind: 'unsettled' }
    }
    await removeOld(directory, generation)
    return { kind: 'owned', generation, listener, deadHolder, letGo }
  } catch (fault) {
    await letGo()
    throw fault
  }
}

/**
 * The process that owns the folder now, for people; undefined: nobody does. Only looks: makes, changes and removes nothing. Rejects
 * `folder-busy` as `findOrClaim` does.
 */
export async function liveOwner(folder: string): Promise<string | undefined> {
  const directory = join(folder, 'owner')
  const found = await highestClaim(directory).catch((fault: unknown) => {
    if (isMissing(fault)) return undefined
    throw fault
  })
  if (found === 'changing') return 'a process that is just starting or stopping'
  if (found === undefined || found.claim?.closed === true) return undefined
  const dialled = await dialClaimant(folder, directory, await folderIdentity(folder), found)
  if (dialled.kind === 'dead') return undefined
  if (dialled.kind === 'connected') dialled.socket.destroy()
  return found.claim?.process ?? 'an unknown process'
}

/** Is the claim just made the highest, and was nothing swept away beneath it meanwhile? */
async function stands(directory: string, generation: number, before: number | undefined): Promise<boolean> {
  const present = await generations(directory)
  return present.at(-1) === generation && (before === undefined || present.includes(before))
}

interface FoundClaim {
  readonly generation: number
  /** undefined: unreadable, as a power cut may leave it; nobody who lives made it. */
  readonly claim: Claim | undefined
}

/** undefined: there is none. `changing`: it went away between being listed and being read. */
async function highestClaim(directory: string): Promise<FoundClaim | undefined | 'changing'> {
  const generation = (await generations(directory)).at(-1)
  if (generation === undefined) return undefined
  try {
    return { generation, claim: parseClaim(directory, await readFile(join(directory, String(generation)), 'utf8')) }
  } catch (fault) {
    if (isMissing(fault)) return 'changing'
    throw fault
  }
}

/** Ascending. */
async function generations(directory: string): Promise<number[]> {
  const names = await readdir(directory)
  return names
    .filter((name) => GENERATION.test(name))
    .map(Number)
    .sort((a, b) => a - b)
}

const GENERATION = /^[1-9][0-9]{0,14}$/

function parseClaim(directory: string, content: string): Claim | undefined {
  let claim: Partial<Claim> | null
  try {
    claim = JSON.parse(content) as Partial<Claim> | null
  } catch {
    return undefined
  }
  if (typeof claim !== 'object' || claim === null) return undefined
  if (typeof claim.version === 'number' && claim.version > CLAIM_VERSION) {
    throw new SpindleError('format-newer', `read who owns ${directory}`)
  }
  if (typeof claim.socket !== 'string' || typeof claim.holder !== 'string' || typeof claim.process !== 'string')
    return undefined
  return claim as Claim
}

async function dialClaimant(
  folder: string,
  directory: string,
  identity: string,
  { generation, claim }: FoundClaim,
): ReturnType<typeof dial> {
  if (claim === undefined) return { kind: 'dead', missing: true }
  const elsewhere = !SOCKET_NAME.test(claim.socket)
  if (elsewhere && claim.folder !== identity) return { kind: 'dead', missing: true }
  const attempted = `open ${folder} (owner: ${claim.process}, generation ${generation})`
  const dialled = await dial(socketPath(directory, claim.socket)).catch((cause: unknown) => {
    throw new SpindleError('folder-busy', attempted, { cause })
  })
  if (dialled.kind !== 'dead' || !dialled.missing || !elsewhere) return dialled
  if (!(await stillRuns(claim.process))) return dialled
  // It may have let go this very moment: then its claim says so by now, or soon.
  const again = await highestClaim(directory)
  if (again === 'changing' || again?.generation !== generation || again.claim?.closed === true) return { kind: 'busy' }
  throw new SpindleError('folder-busy', `${attempted}; its socket was deleted`)
}

async function stillRuns(identity: string): Promise<boolean> {
  const pid = Number(identity.split(' ', 1)[0])
  return Number.isInteger(pid) && identity.includes(' ') && (await processIdentity(pid)) === identity
}

/** false: somebody else has made it. */
async function createClaim(directory: string, generation: number, claim: Claim, random: Random): Promise<boolean> {
  const draft = await writeDraft(directory, claim, random)
  try {
    await link(draft, join(directory, String(generation)))
    return true
  } catch (fault) {
    if ((fault as NodeJS.ErrnoException).code === 'EEXIST') return false
    throw fault
  } finally {
    await unlink(draft).catch(() => {})
  }
}

/** Only its claimant does this, and only to its own. */
async function replaceClaim(directory: string, generation: number, claim: Claim, random: Random): Promise<void> {
  await rename(await writeDraft(directory, claim, random), join(directory, String(generation)))
}

async function writeDraft(directory: string, claim: Claim, random: Random): Promise<string> {
  const draft = join(directory, `${hex(random)}.draft`)
  await writeFile(draft, `${JSON.stringify(claim)}\n`, { mode: 0o600, flag: 'wx' })
  return draft
}

/** Tidies up behind processes that died. Nothing depends on it, so what fails is left for the next owner. */
async function removeOld(directory: string, generation: number): Promise<void> {
  const named = new Set<string>()
  for (const old of await generations(directory)) {
    const path = join(directory, String(old))
    const claim = await readFile(path, 'utf8').then(
      (content) => parseClaim(directory, content),
      () => undefined,
    )
    if (old >= generation - KEPT_CLAIMS) {
      if (claim !== undefined) named.add(claim.socket)
      continue
    }
    if (claim !== undefined) await removeIfDead(directory, claim.socket)
    await unlink(path).catch(() => {})
  }
  for (const name of await readdir(directory)) {
    const path = join(directory, name)
    const orphan = name.endsWith('.draft') || (SOCKET_NAME.test(name) && !named.has(name))
    if (!orphan) continue
    const { ctimeMs } = await stat(path).catch(() => ({ ctimeMs: Number.POSITIVE_INFINITY }))
    if (Date.now() - ctimeMs < ORPHAN_AGE_MS) continue
    if (name.endsWith('.draft')) await unlink(path).catch(() => {})
    else await removeIfDead(directory, name)
  }
}

async function removeIfDead(directory: string, address: string): Promise<void> {
  const dialled = await dial(socketPath(directory, address)).catch(() => undefined)
  if (dialled?.kind === 'connected') dialled.socket.destroy()
  if (dialled?.kind === 'dead') await removeDeadSocket(directory, address)
}

async function folderIdentity(folder: string): Promise<string> {
  const { dev, ino } = await stat(folder, { bigint: true })
  return `${dev}:${ino}`
}

function hex(random: Random): string {
  return Buffer.from(random.bytes(8)).toString('hex')
}

function isMissing(fault: unknown): boolean {
  return (fault as NodeJS.ErrnoException).code === 'ENOENT'
}
