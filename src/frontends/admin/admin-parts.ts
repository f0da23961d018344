/** What the admin API is made of, given by whoever composes the process. */
import type { Audit } from '../../broker/audit.ts'
import type { Port } from '../../broker/port.ts'
import type { Users } from '../../broker/users.ts'
import type { Clock } from '../../runtime/clock.ts'
import type {
  ConnectionInfo,
  FlowDetail,
  FlowInfo,
  Page,
  ProcessFigures,
  ScalingInfo,
  ScheduleInfo,
  TaskInfo,
} from './api.ts'

export interface AdminParts {
  readonly port: Port
  readonly users: Users
  readonly clock: Clock
  readonly audit: Audit
  readonly processFigures: () => ProcessFigures
  /** What tasks keep in the store; absent: nobody looks after it here. */
  readonly desk?: TaskDesk | undefined
  /** The clients that hold a connection to this process. */
  readonly connections?: (() => readonly ConnectionInfo[]) | undefined
}

/** Schedules, workflows and autoscalers, as whoever composes the process knows them. */
export interface TaskDesk {
  schedules(page: { readonly after?: string; readonly limit: number }): Promise<readonly ScheduleInfo[]>
  /** Rejects `no-such-schedule`. */
  steer(name: string, act: 'run' | 'pause' | 'resume' | 'remove'): Promise<ScheduleSteered>
  flows(page: { readonly after?: string; readonly limit: number }): Promise<Page<FlowInfo>>
  /** undefined: there is none. */
  flow(id: string): Promise<FlowDetail | undefined>
  /** false: there was nothing to do. Rejects `not-found`. */
  steerFlow(id: string, act: 'cancel' | 'retry' | 'remove'): Promise<boolean>
  /** Rejects `not-found`. */
  task(id: string): Promise<TaskInfo>
  /** The latest first. */
  scalings(limit: number): Promise<readonly ScalingInfo[]>
}

/** `id`: of the message that a run now has stored. */
export interface ScheduleSteered {
  readonly changed: boolean
  readonly id: string | null
}
