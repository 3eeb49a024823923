namespace Isolation.Security;

/// <summary>How an argument is compared. All comparisons are unsigned.</summary>
public enum SeccompComparison
{
    /// <summary>Equal: OCI's <c>SCMP_CMP_EQ</c>.</summary>
    Equal,

    /// <summary>Not equal: <c>SCMP_CMP_NE</c>.</summary>
    NotEqual,

    /// <summary>Less: <c>SCMP_CMP_LT</c>.</summary>
    LessThan,

    /// <summary>Less or equal: <c>SCMP_CMP_LE</c>.</summary>
    LessOrEqual,

    /// <summary>Greater: <c>SCMP_CMP_GT</c>.</summary>
    GreaterThan,

    /// <summary>Greater or equal: <c>SCMP_CMP_GE</c>.</summary>
    GreaterOrEqual,

    /// <summary>Equal in the bits of a mask: <c>SCMP_CMP_MASKED_EQ</c>.</summary>
    MaskedEqual,
}
