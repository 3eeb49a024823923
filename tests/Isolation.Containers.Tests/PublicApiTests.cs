using System.Reflection;
using System.Text;

namespace Isolation.Containers.Tests;

/// <summary>The public surface as reviewed texts: a change of it shows in the diff.</summary>
public class PublicApiTests
{
    public static TheoryData<string> Assemblies => ["Isolation.Linux", "Isolation.Namespaces", "Isolation.Cgroups", "Isolation.Security",
        "Isolation.Net", "Isolation.Containers", "Isolation.Extensions.Hosting"];

    [Theory]
    [MemberData(nameof(Assemblies))]
    public void The_public_surface_is_as_reviewed(string name) => Golden.AssertEqual($"api-{name}.txt", Print(Assembly.Load(name)));

    private static string Print(Assembly assembly)
    {
        var text = new StringBuilder();
        foreach (Type type in assembly.GetExportedTypes().OrderBy(t => t.FullName, StringComparer.Ordinal))
        {
            string kind = type.IsEnum ? "enum"
                : type.IsValueType ? "struct"
                : type.IsInterface ? "interface"
                : type.IsAbstract && type.IsSealed ? "static class"
                : type.IsAbstract ? "abstract class"
                : type.IsSealed ? "class"
                : "open class";
            text.Append($"{kind} {type.FullName}\n");
            IEnumerable<string> members = type.IsEnum
                ? Enum.GetNames(type).Select(n => $"{n} = {Convert.ToInt64(Enum.Parse(type, n))}")
                : type.GetMembers(BindingFlags.Public | BindingFlags.Instance | BindingFlags.Static | BindingFlags.DeclaredOnly)
                    .Where(IsOwn).Select(Show).Order(StringComparer.Ordinal);
            foreach (string member in members)
                text.Append($"    {member}\n");
        }

        return text.ToString();
    }

    // What the compiler adds to every record is not the author's.
    private static bool IsOwn(MemberInfo member) => member is not Type
        && member.GetCustomAttribute<System.Runtime.CompilerServices.CompilerGeneratedAttribute>() is null
        && !(member is MethodBase method && (method.IsSpecialName && !method.IsConstructor || method.Name.StartsWith('<')));

    private static string Show(MemberInfo member) => member switch
    {
        MethodBase method => $"{(method.IsStatic ? "static " : "")}{(method is MethodInfo m ? Name(m.ReturnType) + " " : "")}"
            + $"{(method.IsConstructor ? "new" : method.Name)}("
            + $"{string.Join(", ", method.GetParameters().Select(p => $"{Name(p.ParameterType)} {p.Name}"))})",
        PropertyInfo property => $"{Name(property.PropertyType)} {property.Name} {{{(property.GetMethod?.IsPublic == true ? " get;" : "")}"
            + $"{(property.SetMethod?.IsPublic == true ? " init;" : "")} }}",
        FieldInfo field => $"{Name(field.FieldType)} {field.Name}",
        _ => member.ToString()!,
    };

    private static string Name(Type type) => type.IsGenericType
        ? $"{type.Name[..type.Name.IndexOf('`')]}<{string.Join(", ", type.GetGenericArguments().Select(Name))}>"
        : type.Name;
}
