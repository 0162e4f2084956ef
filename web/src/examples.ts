/** One example: its title in the list, and the GraphQL document that is put into the tab. */
export interface Example {
  title: string;
  query: string;
}

/**
 * The examples, in the order of the tabs that are open on the first visit.
 * A tab is named after its operation, so each operation has a name.
 */
export const examples: readonly Example[] = [
  {
    title: "Server version",
    query: `# The one field that needs no token.
query Version {
  version
}
`,
  },
  {
    title: "First leads",
    query: `# The first five leads.
query FirstLeads {
  leads(first: 5) {
    nodes {
      id
      displayName
      stage
    }
  }
}
`,
  },
  {
    title: "Lead changes, live",
    query: `# Each change of a lead as it happens.
# To resume, pass \`after: "<last cursor>"\`.
subscription LeadChanges {
  leadChanged {
    cursor
    event
    at
    lead {
      id
      displayName
    }
  }
}
`,
  },
];
