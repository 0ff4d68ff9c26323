// The sections of a process's page: the six components of the note, and what belongs to several.

export const SECTIONS = [
  ["address-space", "Private address space"], ["program", "Executable program"], ["handles", "Open handles"],
  ["token", "Security context"], ["id", "Process ID"], ["threads", "Threads"], ["environment", "PEB and environment"],
];

/** The note of the component that a section is about. */
export const COMPONENTS = {
  "address-space": "component/private-address-space", program: "component/executable-program", handles: "component/open-handles",
  token: "component/security-context", id: "component/process-id", threads: "component/threads",
};

/** The column of the view of completeness that a section is about. */
export const COMPLETENESS = {
  "address-space": "AddressSpace", program: "Program", handles: "Handles", token: "SecurityContext", id: "ProcessId", threads: "Threads",
};
