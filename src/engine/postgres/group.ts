/** One group of one queue, as a value, and as the row of `grp` that keeps it. The first of its line is kept by the server (`apply`). */

export interface Claim {
  readonly consumer: string
  readonly holder: string | undefined
  /** Over once this is reached. */
  readonly untilMs: number
}

export interface Group {
  readonly qid: number
  readonly groupId: string
  /** Live members. */
  readonly size: number
  readonly leased: number
  /** Serial of its latest service; 0: never, or drained since. */
  readonly turn: number
  /** Its bucket: when it is full again; also of a group that is drained. */
  readonly fullMs: number
  readonly claim: Claim | undefined
}

export interface GroupRow {
  readonly qid: number
  readonly gid: string
  readonly size: number
  readonly leased: number
  readonly turn: number
  readonly full_ms: number
  readonly claim_consumer: string | null
  readonly claim_holder: string | null
  readonly claim_until: number | null
}

export const GROUP_COLUMNS =
  'g.qid, g.gid, g.size, g.leased, g.turn, g.full_ms, g.claim_consumer, g.claim_holder, g.claim_until'

export function NEW_GROUP(qid: number, groupId: string): Group {
  return { qid, groupId, size: 0, leased: 0, turn: 0, fullMs: 0, claim: undefined }
}

export function groupOf(row: GroupRow): Group {
  const { claim_consumer: consumer, claim_until: untilMs } = row
  return {
    qid: row.qid,
    groupId: row.gid,
    size: row.size,
    leased: row.leased,
    turn: row.turn,
    fullMs: row.full_ms,
    claim:
      consumer === null || untilMs === null ? undefined : { consumer, holder: row.claim_holder ?? undefined, untilMs },
  }
}

export function groupRowOf(group: Group): Record<string, unknown> {
  return {
    qid: group.qid,
    gid: group.groupId,
    size: group.size,
    leased: group.leased,
    turn: group.turn,
    full_ms: group.fullMs,
    claim_consumer: group.claim?.consumer,
    claim_holder: group.claim?.holder,
    claim_until: group.claim?.untilMs,
  }
}

/** Is there nothing left that a row would have to remember? */
export function isForgettable(group: Group, nowMs: number): boolean {
  return group.size === 0 && group.fullMs <= nowMs
}
